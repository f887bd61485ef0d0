import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import "../../testing/kept-captures.ts";
import { createBackupManager } from "../../app/create-backup-manager.ts";
import { isBackupError } from "../../domain/error.ts";
import { silentObserver } from "../../domain/progress.ts";
import { isRestoreLeftover } from "../../source/swap/staging-names.ts";
import { createLiveApp } from "../../testing/live-app.ts";

test("restoreDatabase() live: where the second database cannot be written, the first gets back what it had", async () => {
  await using app = createLiveApp();
  const second = join(app.directory, "second.db");
  const spare = new DatabaseSync(second);
  spare.exec("CREATE TABLE t (x); INSERT INTO t VALUES ('then')");
  spare.close();
  const sources = [{ name: "shop", databases: [app.database, second], storage: [] }];
  await using manager = createBackupManager({ ...app.configuration, sources });
  await manager.backupDatabase();
  const user = new DatabaseSync(app.database);
  user.exec("UPDATE accounts SET balance = 7");
  const seen: number[] = [];
  const observer = {
    ...silentObserver,
    // Everything is built and the first is about to be written: the second is no database any more.
    progress: ({ phase }: { readonly phase: string }): void => {
      if (phase !== "swap") return;
      seen.push(sumThrough(user));
      writeFileSync(second, "not a database".repeat(1000));
    },
  };
  await assert.rejects(manager.restoreDatabase({ backup: "latest", live: true, observer }), (error) =>
    isBackupError(error),
  );
  assert.deepEqual([...seen, sumThrough(user)], [140, 140]);
  user.close();
  assert.equal(readFileSync(second, "utf8"), "not a database".repeat(1000));
  assert.deepEqual(readdirSync(app.directory).filter(isRestoreLeftover), []);
  assert.deepEqual(readdirSync(join(app.directory, "state", "restores")), ["all.lock"]);
});

/** What the app sees through the connection it has. */
function sumThrough(database: DatabaseSync): number {
  return Number(database.prepare("SELECT sum(balance) AS total FROM accounts").get()?.["total"]);
}
