import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import "../testing/kept-captures.ts";
import { createBackupManager } from "../app/create-backup-manager.ts";
import { isBackupError } from "../domain/error.ts";
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

test("where it cannot be seen whether a restore was interrupted, that is said, and restores are refused by name", async () => {
  const work = mkdtempSync(join(tmpdir(), "vertex-backup-recover-"));
  try {
    const [uploads, state] = [join(work, "uploads"), join(work, "state")];
    mkdirSync(uploads);
    mkdirSync(state);
    writeFileSync(join(uploads, "a.txt"), "hello");
    // Unreadable to root, too.
    symlinkSync("restores", join(state, "restores"));
    const sources = [{ name: "app", storage: [uploads] }];
    await using manager = createBackupManager({ vault: join(work, "backups"), state, sources });
    const warnings: string[] = [];
    const observer = { ...silentObserver, warning: (message: string) => void warnings.push(message) };
    const { backup } = await manager.createBackup({ observer });
    assert.equal(backup.state, "good");
    const said = `Cannot see whether a restore was interrupted: ${join(state, "restores")} cannot be read (ELOOP`;
    assert.equal(warnings.filter((warning) => warning.startsWith(said)).length, 1, warnings.join("\n"));
    assert.doesNotMatch(warnings.join("\n"), /could not be completed/);
    await assert.rejects(
      manager.restoreBackup({ backup: backup.id, target: join(work, "out") }),
      (error) => isBackupError(error, "storage-unavailable") && error.message.startsWith(said),
    );
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
});

test("a restore that cannot be finished keeps no other from being finished, and stops restores to its own targets only", async () => {
  const work = mkdtempSync(join(tmpdir(), "vertex-backup-recover-"));
  try {
    const state = join(work, "state");
    const uploads = join(work, "uploads");
    mkdirSync(uploads);
    mkdirSync(join(state, "restores"), { recursive: true });
    writeFileSync(join(uploads, "a.txt"), "hello");
    const write = (id: string, target: string, container: string): void => {
      const area = { place: work, container, staging: container, previous: `${container}-previous` };
      const slot = { name: "x", arrives: true, database: false };
      const journal = {
        ...{
          formatVersion: 1,
          id,
          kind: "restore",
          state: "building",
          startedAtMs: 0,
          backupId: "x",
          live: [],
        },
        owner: { host: "h", bootId: "b", pid: 1, pidNamespace: "n" },
        areas: [{ ...area, targets: [target], slots: [slot] }],
      };
      writeFileSync(join(state, "restores", `${id}.json`), JSON.stringify(journal));
    };
    const stuck = join(work, "stuck");
    // A name longer than the kernel takes can neither be looked at nor removed.
    write("20260101_000000-0badc0", stuck, join(work, "d".repeat(300)));
    write("20260102_000000-0badc0", join(work, "other"), join(work, "building"));
    mkdirSync(join(work, "building"));
    const configuration = {
      vault: join(work, "backups"),
      state,
      sources: [{ name: "app", storage: [uploads] }],
    };
    await using manager = createBackupManager(configuration);
    const warnings: string[] = [];
    const observer = { ...silentObserver, warning: (message: string) => void warnings.push(message) };
    const { backup } = await manager.createBackup({ observer });
    assert.match(warnings.join("\n"), /could not be completed or taken back/);
    assert.equal(existsSync(join(work, "building")), false);
    await manager.restoreBackup({ backup: backup.id, target: join(work, "out") });
    await assert.rejects(manager.restoreBackup({ backup: backup.id, target: stuck }), (error) =>
      isBackupError(error, "locked"),
    );
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
});
