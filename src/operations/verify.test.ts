import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import "../testing/kept-captures.ts";
import { createBackupManager } from "../app/create-backup-manager.ts";
import type { Backup } from "../domain/backup.ts";
import { isBackupError } from "../domain/error.ts";
import { type Progress, silentObserver } from "../domain/progress.ts";
import { createLiveApp, type LiveApp } from "../testing/live-app.ts";

/** Removes a backup, name first, as a rotation does, once something of `during` has been read. */
function removing(app: LiveApp, backup: Backup, during: string): typeof silentObserver {
  const files = backup.files
    .map(({ name }) => name)
    .toSorted((a, b) => Number(b.startsWith("full/")) - Number(a.startsWith("full/")));
  return {
    ...silentObserver,
    progress: ({ current }: Progress) => {
      if (!current?.includes(during)) return;
      for (const name of files) rmSync(join(app.vault, name), { force: true });
    },
  };
}

const stampOf = (backup: Backup): string => backup.id.replace(/^[a-z_]+/, "");

test("verifyBackup() of all passes over what a rotation removes meanwhile, before it is read or while it is", async () => {
  await using app = createLiveApp();
  await using manager = createBackupManager(app.configuration);
  const older = (await manager.createFullBackup()).backup;
  const newer = (await manager.createFullBackup()).backup;
  const before = await manager.verifyBackup({ observer: removing(app, older, stampOf(newer)) });
  assert.deepEqual([before.ok, before.reports.map(({ id }) => id)], [true, [newer.id]]);
  const newest = (await manager.createFullBackup()).backup;
  const during = await manager.verifyBackup({ observer: removing(app, newer, stampOf(newer)) });
  assert.deepEqual([during.ok, during.reports.map(({ id }) => id)], [true, [newest.id]]);
  await assert.rejects(manager.verifyBackup({ backup: newer.id }), (error) =>
    isBackupError(error, "not-found"),
  );
});

test("verifyBackup() of all does not take a damaged backup for one that was removed", async () => {
  await using app = createLiveApp();
  await using manager = createBackupManager(app.configuration);
  const { backup } = await manager.createFullBackup();
  rmSync(join(app.vault, backup.files.find(({ role }) => role === "archive")?.name ?? ""));
  const { ok, reports } = await manager.verifyBackup();
  assert.deepEqual([ok, reports.map(({ id }) => id)], [false, [backup.id]]);
});
