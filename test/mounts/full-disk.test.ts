import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, test } from "node:test";
import { incompressible } from "../../bench/data.ts";
import { createBackupManager } from "../../src/app/create-backup-manager.ts";
import { isBackupError } from "../../src/domain/error.ts";
import { silentObserver } from "../../src/domain/progress.ts";
import type { BackupManager } from "../../src/operations/backup-manager.ts";
import { zeroBomb } from "../../src/testing/zero-bomb.ts";

let work: string;
let small: string;
let uploads: string;

beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), "vertex-backup-full-"));
  small = join(work, "small");
  uploads = join(work, "uploads");
  mkdirSync(small);
  mkdirSync(uploads);
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=8m", "tmpfs", small]);
  writeFileSync(join(uploads, "photo.jpg"), incompressible(2 << 20, 1));
});

afterEach(() => {
  execFileSync("umount", ["--lazy", small]);
  rmSync(work, { recursive: true, force: true });
});

function manage(vault: string, state = join(work, "state")): BackupManager {
  return createBackupManager({ vault, state, sources: [{ name: "app", storage: [uploads] }] });
}

/** Leaves not one byte free. */
function fill(path: string): void {
  for (const size of [1 << 16, 4096, 1]) {
    try {
      for (;;) appendFileSync(path, Buffer.alloc(size, 1));
    } catch {
      // Full for pieces of this size.
    }
  }
}

function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted();
}

test("create on a full disk says so, leaves the earlier backup whole and no half-written file", async () => {
  const vault = join(small, "backups");
  await using manager = manage(vault);
  const { backup } = await manager.createBackup();
  const before = filesBelow(vault);
  for (let i = 0; i < 4; i++) writeFileSync(join(uploads, `video-${i}.mp4`), incompressible(2 << 20, 10 + i));
  await assert.rejects(manager.createBackup(), (error) => isBackupError(error, "no-space"));
  const extra = filesBelow(vault).filter(
    (file) => !before.includes(file) && !file.includes(".vertex/records/"),
  );
  assert.deepEqual(extra, []);
  assert.deepEqual(
    (await manager.listBackups()).map((listed) => listed.id),
    [backup.id],
  );
  assert.equal((await manager.verifyBackup({ backup: backup.id })).ok, true);
});

test("restore onto a disk too small for it says so before anything is touched", async () => {
  for (let i = 0; i < 4; i++) writeFileSync(join(uploads, `video-${i}.mp4`), incompressible(2 << 20, 10 + i));
  await using manager = manage(join(work, "backups"));
  await manager.createBackup();
  mkdirSync(join(small, "uploads"));
  writeFileSync(join(small, "uploads", "precious.txt"), "keep me");
  await assert.rejects(manager.restoreBackup({ backup: "latest", target: small }), (error) =>
    isBackupError(error, "no-space"),
  );
  assert.deepEqual(filesBelow(small), [join(small, "uploads", "precious.txt")]);
  assert.equal(readFileSync(join(small, "uploads", "precious.txt"), "utf8"), "keep me");
});

test("restore of a file with holes is refused where its size is not free, and done with holes where asked for", async () => {
  const disk = join(uploads, "disk.img");
  writeFileSync(disk, "begin");
  truncateSync(disk, 64 << 20);
  await using manager = manage(join(work, "backups"));
  await manager.createBackup();
  await assert.rejects(
    manager.restoreBackup({ backup: "latest", target: small }),
    (error) => isBackupError(error, "no-space") && error.hint?.includes("--no-space-check") === true,
  );
  const { warnings } = await manager.restoreBackup({ backup: "latest", target: small, spaceCheck: false });
  assert.match(warnings.join(), /are free, .* are needed: the restore is tried all the same/);
  assert.equal(statSync(join(small, "uploads", "disk.img")).size, 64 << 20);
  for (let i = 0; i < 4; i++) writeFileSync(join(uploads, `video-${i}.mp4`), incompressible(2 << 20, 10 + i));
  await manager.createBackup();
  const before = filesBelow(small);
  await assert.rejects(
    manager.restoreBackup({ backup: "latest", target: small, spaceCheck: false }),
    (error) => isBackupError(error, "no-space"),
  );
  assert.deepEqual(filesBelow(small), before);
});

test("restore of a database that fills the disk says which one, and leaves what was there", async () => {
  const path = join(work, "app.db");
  const database = new DatabaseSync(path);
  database.exec("CREATE TABLE t(b); INSERT INTO t VALUES(randomblob(9000000))");
  database.close();
  const sources = [{ name: "app", databases: [path] }];
  await using manager = createBackupManager({
    vault: join(work, "backups"),
    state: join(work, "state"),
    sources,
  });
  await manager.createBackup();
  await assert.rejects(
    manager.restoreBackup({ backup: "latest", target: small, spaceCheck: false }),
    (error) => isBackupError(error, "no-space") && error.message.includes("app.db"),
  );
  assert.deepEqual(filesBelow(small), []);
});

test("restore of a tiny archive of huge zeros onto a small disk is refused before anything is touched", async () => {
  const archive = join(work, "storage_backup_20230101_120000.tar.gz");
  writeFileSync(archive, zeroBomb(500));
  assert.ok(statSync(archive).size < 1 << 20);
  await using manager = manage(join(work, "backups"));
  await assert.rejects(manager.restoreBackup({ backup: archive, target: small }), (error) =>
    isBackupError(error, "no-space"),
  );
  assert.deepEqual(readdirSync(small), []);
  // Insisted on, it fits: as holes.
  await manager.restoreBackup({ backup: archive, target: small, spaceCheck: false });
  assert.equal(statSync(join(small, "uploads", "zeros")).size, 500 << 20);
});

test("verify of a vault without a free byte gives its answer, and warns that it could not be noted", async () => {
  const vault = join(small, "backups");
  await using manager = manage(vault);
  const { backup } = await manager.createBackup();
  fill(join(small, "filler"));
  const warnings: string[] = [];
  const observer = { ...silentObserver, warning: (text: string) => void warnings.push(text) };
  const { ok } = await manager.verifyBackup({ backup: backup.id, observer });
  assert.equal(ok, true);
  assert.match(warnings.join(), /could not be recorded in the vault: .*full/);
});

test("a vault without a free byte can be pinned in, restored from and rotated, which makes room for the next backup", async () => {
  const vault = join(small, "backups");
  await using manager = manage(vault);
  const { backup: first } = await manager.createBackup();
  const { backup: second } = await manager.createBackup();
  fill(join(small, "filler"));
  await manager.pinBackup(first.id);
  assert.equal((await manager.getBackup(first.id)).pinned, true);
  await manager.unpinBackup(first.id);
  fill(join(small, "filler"));
  await assert.rejects(manager.createBackup(), (error) => isBackupError(error, "no-space"));
  const { removed } = await manager.rotateBackups({ rules: { last: 1 } });
  assert.deepEqual(removed, [first.id]);
  assert.equal(readdirSync(join(vault, ".vertex", "reserve")).length, 4);
  fill(join(small, "filler"));
  await manager.restoreBackup({ backup: second.id, target: join(work, "out") });
  assert.deepEqual(
    readFileSync(join(work, "out/uploads/photo.jpg")),
    readFileSync(join(uploads, "photo.jpg")),
  );
  rmSync(join(small, "filler"));
  await manager.createBackup();
  assert.equal(readdirSync(join(vault, ".vertex", "reserve")).length, 4);
});

test("restore where the state folder is on a full disk, or nothing may be written, says so and names the folder", async () => {
  await using manager = manage(join(work, "backups"), join(small, "state"));
  const { backup } = await manager.createBackup();
  fill(join(small, "filler"));
  const target = join(work, "restored");
  await assert.rejects(
    manager.restoreBackup({ backup: backup.id, target }),
    (error) => isBackupError(error, "no-space") && error.message.includes(small),
  );
  rmSync(join(small, "filler"));
  execFileSync("mount", ["-o", "remount,ro", small]);
  await using elsewhere = manage(join(work, "backups"));
  await assert.rejects(
    elsewhere.restoreBackup({ backup: backup.id, target: join(small, "restored") }),
    (error) =>
      isBackupError(error, "unsafe") && error.message.startsWith(`Cannot build a restore in ${small}: `),
  );
});

test("a vault on a read-only medium can be listed, verified and restored from, and refuses a create by name", async () => {
  const vault = join(small, "backups");
  const { backup } = await manage(vault).createBackup();
  execFileSync("mount", ["-o", "remount,ro", small]);
  await using manager = manage(vault);
  assert.equal((await manager.verifyBackup({ backup: backup.id })).ok, true);
  await manager.restoreBackup({ backup: backup.id, target: join(work, "out") });
  assert.deepEqual(
    readFileSync(join(work, "out/uploads/photo.jpg")),
    readFileSync(join(uploads, "photo.jpg")),
  );
  await assert.rejects(manager.createBackup(), (error) => isBackupError(error, "storage-unavailable"));
});

test("a database on a read-only medium is captured", async () => {
  execFileSync("sqlite3", [
    join(small, "app.db"),
    "PRAGMA journal_mode=wal; CREATE TABLE t (x); INSERT INTO t VALUES (1)",
  ]);
  execFileSync("mount", ["-o", "remount,ro", small]);
  await using manager = createBackupManager({
    vault: join(work, "backups"),
    state: join(work, "state"),
    sources: [{ name: "app", databases: [join(small, "app.db")] }],
  });
  const { backup } = await manager.createBackup();
  assert.equal(backup.state, "good");
  assert.equal(backup.databases[0]?.check.ok, true);
});
