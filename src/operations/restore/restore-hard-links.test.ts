import assert from "node:assert/strict";
import { linkSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import "../../testing/kept-captures.ts";
import { createBackupManager } from "../../app/create-backup-manager.ts";
import { createLiveApp, sumOfBalances, totalBalance } from "../../testing/live-app.ts";

test("database restore: a file with further names is told of in the plan and in the result, for only one of them is replaced", async () => {
  await using app = createLiveApp();
  await using manager = createBackupManager(app.configuration);
  await manager.backupDatabase();
  const others = ["other.db", "third.db"].map((name) => join(app.directory, name));
  const told = async (): Promise<string> => (await manager.planRestore({ backup: "latest" })).warnings.join();
  assert.doesNotMatch(await told(), /hard links/);
  for (const other of others) linkSync(app.database, other);
  const warning = `${app.database} has 2 further names (hard links), which keep the present content: only this name gets the restored database`;
  assert.ok((await told()).includes(warning), await told());
  const live = await manager.planRestore({ backup: "latest", live: true });
  assert.doesNotMatch(live.warnings.join(), /hard links/);
  rmSync(others.pop() ?? "");
  const { warnings } = await manager.restoreDatabase({ backup: "latest" });
  assert.ok(warnings.includes(warning.replace("2 further names", "one further name")), warnings.join());
  assert.equal(sumOfBalances(app.database), totalBalance);
  assert.notEqual(statSync(app.database).ino, statSync(others[0] ?? "").ino);
});
