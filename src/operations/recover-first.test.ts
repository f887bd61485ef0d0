import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createBackupManager } from "../app/create-backup-manager.ts";
import { silentObserver } from "../domain/progress.ts";

test("createBackup() is not kept from its work by a restore journal that nobody can read, and says so", async () => {
  const work = mkdtempSync(join(tmpdir(), "vertex-backup-recover-"));
  try {
    const uploads = join(work, "uploads");
    const journals = join(work, "state", "restores");
    mkdirSync(uploads);
    mkdirSync(journals, { recursive: true });
    writeFileSync(join(uploads, "a.txt"), "hello");
    writeFileSync(join(journals, "20260101_000000-0badc0.json"), "{ not a journal");
    await using manager = createBackupManager({
      vault: join(work, "backups"),
      state: join(work, "state"),
      sources: [{ name: "app", storage: [uploads] }],
    });
    const warnings: string[] = [];
    const observer = { ...silentObserver, warning: (message: string) => void warnings.push(message) };
    const { backup } = await manager.createBackup({ observer });
    assert.equal(backup.state, "good");
    assert.match(warnings.join("\n"), /interrupted restore could not be completed or taken back/);
    await assert.rejects(manager.restoreBackup({ backup: backup.id, target: join(work, "out") }));
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
});
