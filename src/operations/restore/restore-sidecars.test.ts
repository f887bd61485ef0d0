import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import "../../testing/kept-captures.ts";
import { createBackupManager } from "../../app/create-backup-manager.ts";
import { createLiveApp, type LiveApp } from "../../testing/live-app.ts";

/** A database copied with `cp` while an app was at work in it, with the sidecar that was there. */
function copyLive(app: LiveApp, copy: string, journalMode: "wal" | "delete"): string {
  const live = join(app.directory, `live-${journalMode}.db`);
  const suffix = journalMode === "wal" ? "-wal" : "-journal";
  const database = new DatabaseSync(live);
  database.exec(`PRAGMA journal_mode = ${journalMode}; PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = 1;
    CREATE TABLE notes (text); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100)
    INSERT INTO notes SELECT hex(randomblob(2000)) FROM n;
    BEGIN; UPDATE notes SET text = text || 'changed'`);
  copyFileSync(live, copy);
  copyFileSync(live + suffix, copy + suffix);
  database.close();
  return copy + suffix;
}

for (const journalMode of ["wal", "delete"] as const) {
  test(`a restore refuses a copied database (${journalMode}) that is not whole without what lies beside it, wherever it lies`, async () => {
    await using app = createLiveApp();
    await using manager = createBackupManager(app.configuration);
    await manager.backupDatabase();
    const before = readFileSync(app.database);
    for (const folder of [join(app.directory, "old"), join(app.vault, "database")]) {
      mkdirSync(folder, { recursive: true });
      const copy = join(folder, "db_backup_20230101_120000.db");
      const sidecar = copyLive(app, copy, journalMode);
      const refused = {
        kind: "unsupported",
        message: new RegExp(`Cannot open ${copy} as a backup: ${sidecar} holds`),
      };
      await assert.rejects(manager.planRestore({ backup: copy }), refused);
      await assert.rejects(manager.restoreDatabase({ backup: copy }), refused);
      assert.deepEqual(readFileSync(app.database), before);

      // What SQLite would pass over is no reason to refuse, and none to be silent.
      truncateSync(sidecar, 7);
      const plan = await manager.planRestore({ backup: copy });
      assert.match(
        plan.warnings.join(),
        new RegExp(`unverified: .*${sidecar.split("/").at(-1)} lies beside it`),
      );
      writeFileSync(sidecar, "");
      assert.doesNotMatch((await manager.planRestore({ backup: copy })).warnings.join(), /lies beside it/);
      for (const path of [copy, sidecar, join(app.directory, `live-${journalMode}.db`)]) rmSync(path);
    }
  });
}
