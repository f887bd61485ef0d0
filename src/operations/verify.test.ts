import assert from "node:assert/strict";
import { chmodSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
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

test("verifyBackup() of all names a damaged pin, which still holds, and a vault.json that is gone, of which lists warn", async () => {
  await using app = createLiveApp();
  await using manager = createBackupManager(app.configuration);
  const { backup } = await manager.backupDatabase();
  await manager.pinBackup(backup.id);
  const sound = await manager.verifyBackup();
  assert.deepEqual([sound.ok, sound.beside], [true, []]);
  const folder = join(app.vault, ".vertex", "records");
  const pin = readdirSync(folder).find((name) => name.startsWith("pinned+")) ?? "";
  chmodSync(join(folder, pin), 0o600);
  writeFileSync(join(folder, pin), readFileSync(join(folder, pin), "utf8").replace('"pinned"', '"pinmed"'));
  rmSync(join(app.vault, ".vertex", "vault.json"));
  await using again = createBackupManager(app.configuration);
  const { ok, reports, beside } = await again.verifyBackup();
  assert.deepEqual([ok, reports.map((report) => report.ok)], [false, [true]]);
  assert.deepEqual(
    beside?.map(({ object }) => object),
    [".vertex/vault.json", `.vertex/records/${pin}`],
  );
  const warnings: string[] = [];
  const observer = { ...silentObserver, warning: (message: string) => void warnings.push(message) };
  assert.equal((await again.listBackups({ observer }))[0]?.pinned, true);
  assert.match(
    warnings.join("\n"),
    /^.*vault.json is missing from the vault .*: the next create writes a new one/,
  );
});
