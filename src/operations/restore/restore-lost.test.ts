import assert from "node:assert/strict";
import { existsSync, readFileSync, rmSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import "../../testing/kept-captures.ts";
import { createBackupManager } from "../../app/create-backup-manager.ts";
import type { Backup, BackupFile } from "../../domain/backup.ts";
import { isBackupError } from "../../domain/error.ts";
import type { BackupManager } from "../../operations/backup-manager.ts";
import { createLiveApp, type LiveApp, sumOfBalances, totalBalance } from "../../testing/live-app.ts";

function stored(app: LiveApp, { files }: Backup, role: BackupFile["role"]): string {
  return join(app.vault, files.find((file) => file.role === role)?.name ?? "");
}

/** A plan says what the restore would say, and neither makes anything. */
async function assertLost(
  manager: BackupManager,
  app: LiveApp,
  what: { readonly only?: "database" | "storage" },
): Promise<void> {
  const target = join(app.directory, "out");
  const request = { backup: "latest", type: "full", target, ...what } as const;
  for (const attempt of [manager.planRestore(request), manager.restoreBackup(request)]) {
    await assert.rejects(
      attempt,
      (error) => isBackupError(error, "damaged") && /(?:\.db|\.tar\.gz) is missing$/.test(error.message),
    );
  }
  assert.equal(existsSync(target), false);
}

test("restore: of a backup whose database is gone the files are restored, and a plan of the rest says that it is gone", async () => {
  await using app = createLiveApp();
  await using manager = createBackupManager(app.configuration);
  const { backup } = await manager.createFullBackup();
  rmSync(stored(app, backup, "database"));
  await assertLost(manager, app, {});
  await assertLost(manager, app, { only: "database" });
  const target = join(app.directory, "files");
  const request = { backup: backup.id, target, only: "storage" } as const;
  assert.equal((await manager.planRestore(request)).added, 5);
  await manager.restoreBackup(request);
  assert.equal(readFileSync(join(target, "uploads", "2024", "0.txt"), "utf8"), "upload 0\n".repeat(500));
  await manager.restoreBackup({
    backup: backup.id,
    target: join(app.directory, "one"),
    include: ["**/1.txt"],
  });
});

test("restore: of a backup whose archive is gone the database is restored, and a plan of the rest says that it is gone", async () => {
  await using app = createLiveApp();
  await using manager = createBackupManager(app.configuration);
  const { backup } = await manager.createFullBackup();
  const archive = stored(app, backup, "archive");
  const whole = backup.files.find(({ role }) => role === "archive")?.sizeBytes ?? 0;
  truncateSync(archive, whole - 1);
  // All of it is refused, a part may still be read.
  await assert.rejects(
    manager.planRestore({ backup: backup.id, target: join(app.directory, "out") }),
    (error) => isBackupError(error, "damaged"),
  );
  const part = { backup: backup.id, target: join(app.directory, "part"), include: ["**/1.txt"] };
  assert.equal((await manager.restoreBackup(part)).filesWritten, 1);
  rmSync(archive);
  await assertLost(manager, app, {});
  await assertLost(manager, app, { only: "storage" });
  await assert.rejects(manager.planRestore(part), (error) => isBackupError(error, "damaged"));
  const target = join(app.directory, "database");
  await manager.restoreBackup({ backup: backup.id, target, only: "database" });
  assert.equal(sumOfBalances(join(target, "app.db")), totalBalance);
});
