import assert from "node:assert/strict";
import { test } from "node:test";
import "../testing/kept-captures.ts";
import { createBackupManager } from "../app/create-backup-manager.ts";
import { systemClock } from "../domain/clock.ts";
import { isBackupError } from "../domain/error.ts";
import { silentObserver } from "../domain/progress.ts";
import { openLocalStorage } from "../storage/local-storage.ts";
import { readThisMachine } from "../storage/this-machine.ts";
import { createLiveApp } from "../testing/live-app.ts";
import { openArchiveVault } from "../vault/archive/archive-vault.ts";

const { signal } = new AbortController();

test("pinBackup() waits for a removal under way, so that nothing that counts as pinned is removed", async () => {
  await using app = createLiveApp();
  await using manager = createBackupManager(app.configuration);
  const { backup } = await manager.backupDatabase();
  const machine = readThisMachine();
  const storage = await openLocalStorage(app.vault, { create: false, machine });
  const place = { storage, machine, clock: systemClock, toolVersion: "test", create: false };
  await using vault = await openArchiveVault(place, signal);
  const { promise: planned, resolve: plan } = Promise.withResolvers<void>();
  const removing = vault.exclusively(
    async (remover) => {
      plan();
      // Planned; before it is carried out, somebody pins.
      await new Promise((resume) => setTimeout(resume, 300));
      await remover.remove([backup.id], signal);
    },
    { lockWaitMs: 0, observer: silentObserver },
    signal,
  );
  await planned;
  const pinning = manager.pinBackup(backup.id);
  await assert.rejects(pinning, (error) => isBackupError(error, "not-found"));
  await removing;
  assert.deepEqual(await manager.listBackups(), []);
});
