import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import "../../testing/kept-captures.ts";
import { createBackupManager } from "../../app/create-backup-manager.ts";
import { isBackupError } from "../../domain/error.ts";
import { isRestoreLeftover } from "../../source/swap/staging-names.ts";
import { createLiveApp, type LiveApp, sumOfBalances, totalBalance } from "../../testing/live-app.ts";

/** Everything below: what it is, its mode and content. */
function look(directory: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of readdirSync(directory, { recursive: true, encoding: "utf8" })) {
    if (name.split("/").some(isRestoreLeftover)) continue;
    const path = join(directory, name);
    const stats = lstatSync(path);
    const mode = (stats.mode & 0o7777).toString(8);
    if (stats.isSymbolicLink()) found[name] = `-> ${readlinkSync(path)}`;
    else if (stats.isDirectory()) found[name] = `folder ${mode}`;
    else found[name] = `${mode} ${Math.round(stats.mtimeMs)} ${readFileSync(path, "latin1")}`;
  }
  return found;
}

function leftovers(directory: string): readonly string[] {
  const names = readdirSync(directory, { recursive: true, encoding: "utf8" });
  return names.filter((path) => isRestoreLeftover(path.split("/").at(-1) ?? ""));
}

/** Uploads with everything a tree can hold. */
function furnish({ uploads }: LiveApp): void {
  symlinkSync("2024/0.txt", join(uploads, "link"));
  symlinkSync("/nowhere", join(uploads, "dangling"));
  linkSync(join(uploads, "2024", "1.txt"), join(uploads, "second-name.txt"));
  mkdirSync(join(uploads, "empty"), { mode: 0o750 });
  writeFileSync(join(uploads, "naïve \n name.txt"), "odd");
  chmodSync(join(uploads, "2024", "2.txt"), 0o600);
  utimesSync(join(uploads, "2024", "3.txt"), 1_000_000, 1_000_000.25);
  utimesSync(uploads, 2_000_000, 2_000_000);
}

test("storage restore: the folder is as it was, files that came since are gone, and an undo brings all back", async () => {
  await using app = createLiveApp();
  furnish(app);
  await using manager = createBackupManager(app.configuration);
  await manager.backupStorage();
  const then = look(app.uploads);
  writeFileSync(join(app.uploads, "since.txt"), "since");
  rmSync(join(app.uploads, "2024", "0.txt"));
  writeFileSync(join(app.uploads, "2024", "4.txt"), "changed");
  const now = look(app.uploads);
  const plan = await manager.planRestore({ backup: "latest" });
  const { added, changed, removed, newer } = plan;
  assert.deepEqual({ added, changed, removed, newer }, { added: 1, changed: 1, removed: 1, newer: 2 });
  assert.deepEqual(look(app.uploads), now, "a plan touches nothing");
  const result = await manager.restoreStorage({ backup: "latest" });
  assert.deepEqual(look(app.uploads), then);
  assert.equal(Math.round(statSync(app.uploads).mtimeMs), 2_000_000_000);
  assert.equal(
    statSync(join(app.uploads, "second-name.txt")).ino,
    statSync(join(app.uploads, "2024", "1.txt")).ino,
  );
  assert.ok(result.safetyBackupId);
  await manager.undoRestore();
  assert.deepEqual(look(app.uploads), now);
  await manager.undoRestore();
  assert.deepEqual(look(app.uploads), then);
  assert.equal(leftovers(app.directory).length, 1);
});

test("restoreBackup() of a full backup swaps database and folder together, and below a target side by side", async () => {
  await using app = createLiveApp();
  furnish(app);
  await using manager = createBackupManager(app.configuration);
  await manager.createFullBackup();
  const then = look(app.uploads);
  new DatabaseSync(app.database).exec("UPDATE accounts SET balance = 0");
  rmSync(app.uploads, { recursive: true });
  const target = join(app.directory, "side", "by", "side");
  await manager.restoreBackup({ backup: "latest", target });
  assert.deepEqual(look(join(target, "uploads")), then);
  assert.deepEqual(readdirSync(target).sort(), ["app.db", "uploads"]);
  assert.equal(sumOfBalances(join(target, "app.db")), totalBalance);
  await manager.restoreBackup({ backup: "latest", force: true });
  assert.deepEqual(look(app.uploads), then);
  assert.equal(sumOfBalances(app.database), totalBalance);
});

test("restoreStorage() with patterns replaces what they match, adds what is missing and removes nothing", async () => {
  await using app = createLiveApp();
  furnish(app);
  await using manager = createBackupManager(app.configuration);
  await manager.createFullBackup();
  rmSync(join(app.uploads, "2024", "0.txt"));
  writeFileSync(join(app.uploads, "2024", "1.txt"), "changed");
  writeFileSync(join(app.uploads, "2024", "3.txt"), "not asked for");
  writeFileSync(join(app.uploads, "since.txt"), "since");
  const now = look(app.uploads);
  const include = ["uploads/2024/[01].txt"];
  const plan = await manager.planRestore({ backup: "latest", include });
  assert.deepEqual([plan.added, plan.changed, plan.removed], [1, 1, 0]);
  assert.deepEqual(
    plan.targets.map(({ name }) => name),
    ["uploads"],
  );
  const result = await manager.restoreBackup({ backup: "latest", include });
  assert.equal(result.filesWritten, 2);
  assert.equal(readFileSync(join(app.uploads, "2024", "0.txt"), "utf8"), "upload 0\n".repeat(500));
  assert.equal(readFileSync(join(app.uploads, "2024", "1.txt"), "utf8"), "upload 1\n".repeat(500));
  assert.equal(readFileSync(join(app.uploads, "2024", "3.txt"), "utf8"), "not asked for");
  assert.equal(readFileSync(join(app.uploads, "since.txt"), "utf8"), "since");
  const safety = await manager.getBackup(result.safetyBackupId ?? "");
  assert.equal(safety.counts.files, 1, "the safety backup holds what was replaced and no more");
  await manager.undoRestore();
  assert.deepEqual(look(app.uploads), now);
  await assert.rejects(manager.restoreBackup({ backup: "latest", include: ["nothing"] }), (error) =>
    isBackupError(error, "not-found"),
  );
});

test("restoreStorage() of one file that is a database moves the sidecars of what it replaces out of its way", async () => {
  await using app = createLiveApp();
  const [found, wal] = [join(app.uploads, "found.db"), join(app.uploads, "found.db-wal")];
  const then = new DatabaseSync(found);
  then.exec("PRAGMA journal_mode=wal; CREATE TABLE t (x); INSERT INTO t VALUES ('then')");
  then.close();
  writeFileSync(join(app.uploads, "note.txt"), "a plain file");
  await using manager = createBackupManager(app.configuration);
  await manager.backupStorage();
  // As a killed app leaves it: newer transactions lie in the log only.
  const later = new DatabaseSync(found);
  later.exec("PRAGMA wal_autocheckpoint=0; UPDATE t SET x = 'later'");
  const [database, log] = [readFileSync(found), readFileSync(wal)];
  later.close();
  writeFileSync(found, database);
  writeFileSync(wal, log);
  writeFileSync(join(app.uploads, "note.txt-wal"), "no sidecar of a plain file");
  await manager.restoreBackup({ backup: "latest", include: ["uploads/found.db", "uploads/note.txt"] });
  assert.equal(existsSync(wal), false);
  assert.equal(existsSync(join(app.uploads, "note.txt-wal")), true);
  const restored = new DatabaseSync(found);
  assert.deepEqual({ ...restored.prepare("SELECT x FROM t").get() }, { x: "then" });
  restored.close();
  await manager.undoRestore();
  assert.deepEqual(readFileSync(wal), log);
});

test("restoreStorage() gives a further name of a file its content where the first is not asked for", async () => {
  await using app = createLiveApp();
  furnish(app);
  await using manager = createBackupManager(app.configuration);
  await manager.backupStorage();
  const target = join(app.directory, "side");
  await manager.restoreBackup({ backup: "latest", target, include: ["uploads/second-name.txt"] });
  assert.equal(readFileSync(join(target, "uploads", "second-name.txt"), "utf8"), "upload 1\n".repeat(500));
  assert.deepEqual(readdirSync(join(target, "uploads")), ["second-name.txt"]);
});

test("restoreStorage() leaves the vault and a declared database alone that lie in the folder", async () => {
  await using app = createLiveApp();
  const inside = join(app.uploads, "data", "app.db");
  mkdirSync(join(app.uploads, "data"));
  renameSync(app.database, inside);
  const vault = join(app.uploads, "backups");
  const sources = [{ name: "shop", databases: [inside], storage: [app.uploads] }];
  await using manager = createBackupManager({ ...app.configuration, vault, sources });
  await manager.createFullBackup();
  writeFileSync(join(app.uploads, "since.txt"), "since");
  const database = new DatabaseSync(inside);
  database.exec("UPDATE accounts SET balance = 1");
  database.close();
  await manager.restoreStorage({ backup: "latest" });
  assert.equal(existsSync(join(app.uploads, "since.txt")), false);
  assert.equal(sumOfBalances(inside), 20, "the database is as it was before the restore");
  assert.ok((await manager.listBackups()).length > 1);
  await manager.restoreBackup({ backup: "latest" });
  assert.equal(sumOfBalances(inside), totalBalance, "and restored when it is asked for");
  await manager.undoRestore();
  assert.equal(sumOfBalances(inside), 20);
});

test("restoreBackup() restores a database that lies in the folder together with it", async () => {
  await using app = createLiveApp();
  const inside = join(app.uploads, "data", "app.db");
  mkdirSync(join(app.uploads, "data"));
  renameSync(app.database, inside);
  const sources = [{ name: "shop", databases: [inside], storage: [app.uploads] }];
  await using manager = createBackupManager({ ...app.configuration, sources });
  await manager.createFullBackup();
  const folderTime = statSync(join(app.uploads, "data")).mtimeMs;
  const database = new DatabaseSync(inside);
  database.exec("UPDATE accounts SET balance = 1");
  database.close();
  writeFileSync(`${inside}-wal`, "stale");
  await manager.restoreBackup({ backup: "latest" });
  assert.equal(existsSync(`${inside}-wal`), false);
  assert.equal(Math.round(statSync(join(app.uploads, "data")).mtimeMs), Math.round(folderTime));
  assert.equal(sumOfBalances(inside), totalBalance);
});

test("restoreStorage() refuses a damaged archive and leaves everything as it was", async () => {
  await using app = createLiveApp();
  await using manager = createBackupManager(app.configuration);
  const { backup } = await manager.backupStorage();
  const stored = join(app.vault, backup.files.find((file) => file.role === "archive")?.name ?? "");
  // Everywhere: which file a single byte belongs to depends on modes and owners, and a part may still be read.
  const bytes = readFileSync(stored).map((byte) => byte ^ 1);
  rmSync(stored);
  writeFileSync(stored, bytes);
  const now = look(app.uploads);
  for (const include of [[], ["uploads/2024/"]]) {
    await assert.rejects(manager.restoreStorage({ backup: backup.id, include }), (error) =>
      isBackupError(error, "damaged"),
    );
    assert.deepEqual(look(app.uploads), now);
    assert.deepEqual(leftovers(app.directory), []);
  }
});

test("restoreStorage() refuses to write through a link that has taken a folder's place", async () => {
  await using app = createLiveApp();
  await using manager = createBackupManager(app.configuration);
  await manager.backupStorage();
  const outside = join(app.directory, "outside");
  mkdirSync(outside);
  rmSync(join(app.uploads, "2024"), { recursive: true });
  symlinkSync(outside, join(app.uploads, "2024"));
  await assert.rejects(
    manager.restoreStorage({ backup: "latest", include: ["uploads/2024/0.txt"] }),
    (error) => isBackupError(error, "unsafe"),
  );
  await manager.restoreStorage({ backup: "latest" });
  assert.deepEqual(readdirSync(outside), []);
  assert.ok(lstatSync(join(app.uploads, "2024")).isDirectory());
});
