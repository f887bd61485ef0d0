import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { createBackupManager } from "../../src/app/create-backup-manager.ts";
import { isBackupError } from "../../src/domain/error.ts";
import { isRestoreLeftover } from "../../src/source/swap/staging-names.ts";
import { createLiveApp, type LiveApp, sumOfBalances, totalBalance } from "../../src/testing/live-app.ts";

/** A mount that goes with its scope. */
function mount(place: string, ...options: string[]): Disposable {
  execFileSync("mount", [...options, place]);
  return { [Symbol.dispose]: () => execFileSync("umount", ["--lazy", place]) };
}

const tmpfs = ["-t", "tmpfs", "-o", "size=16m", "tmpfs"];

function names(directory: string): string[] {
  const all = readdirSync(directory, { recursive: true, encoding: "utf8" });
  return all.filter((path) => !path.split("/").some(isRestoreLeftover)).sort();
}

test("restore of a folder that is a mount point swaps what is in it, keeps the mount, and can be undone", async () => {
  await using app = createLiveApp();
  rmSync(app.uploads, { recursive: true });
  mkdirSync(app.uploads);
  using _mount = mount(app.uploads, ...tmpfs);
  const device = statSync(app.uploads).dev;
  mkdirSync(join(app.uploads, "a", "deep"), { recursive: true });
  writeFileSync(join(app.uploads, "a", "deep", "1.txt"), "then");
  writeFileSync(join(app.uploads, "gone.txt"), "then");
  await using manager = createBackupManager(app.configuration);
  await manager.createFullBackup();
  const then = names(app.uploads);
  rmSync(join(app.uploads, "gone.txt"));
  writeFileSync(join(app.uploads, "a", "deep", "1.txt"), "since");
  writeFileSync(join(app.uploads, "since.txt"), "since");
  const since = names(app.uploads);
  const result = await manager.restoreBackup({ backup: "latest" });
  assert.deepEqual(names(app.uploads), then);
  assert.equal(readFileSync(join(app.uploads, "a", "deep", "1.txt"), "utf8"), "then");
  assert.equal(statSync(app.uploads).dev, device);
  assert.ok(result.previousState.some((path) => path.startsWith(`${app.uploads}/.vertex-previous-`)));
  const { backup } = await manager.createBackup();
  assert.equal(backup.counts.files, 2, "a backup leaves out what the restore keeps");
  await manager.undoRestore();
  assert.deepEqual(names(app.uploads), since);
  assert.equal(readFileSync(join(app.uploads, "a", "deep", "1.txt"), "utf8"), "since");
});

test("restore of a folder with a bind mount on it, on the same device, works the same", async () => {
  await using app = createLiveApp();
  const elsewhere = join(app.directory, "elsewhere");
  mkdirSync(elsewhere);
  writeFileSync(join(elsewhere, "1.txt"), "then");
  using _mount = mount(app.uploads, "--bind", elsewhere);
  await using manager = createBackupManager(app.configuration);
  await manager.createFullBackup();
  writeFileSync(join(app.uploads, "1.txt"), "since");
  await manager.restoreStorage({ backup: "latest" });
  assert.equal(readFileSync(join(elsewhere, "1.txt"), "utf8"), "then");
});

test("restore to a file system that is mounted read-only is refused for that, and not for who runs it", async () => {
  await using app = createLiveApp();
  await using manager = createBackupManager(app.configuration);
  await manager.createFullBackup();
  const target = join(app.directory, "read-only");
  mkdirSync(target);
  using _mount = mount(target, "-o", "ro", ...tmpfs);
  await assert.rejects(
    manager.restoreBackup({ backup: "latest", target }),
    (error) =>
      isBackupError(error, "unsafe") &&
      error.message === `Cannot build a restore in ${target}: the file system is read-only`,
  );
});

test("restore of a part of a mount point swaps that part only", async () => {
  await using app = createLiveApp();
  rmSync(app.uploads, { recursive: true });
  mkdirSync(app.uploads);
  using _mount = mount(app.uploads, ...tmpfs);
  writeFileSync(join(app.uploads, "1.txt"), "then");
  writeFileSync(join(app.uploads, "2.txt"), "then");
  await using manager = createBackupManager(app.configuration);
  await manager.createFullBackup();
  for (const name of ["1.txt", "2.txt"]) writeFileSync(join(app.uploads, name), "since");
  await manager.restoreBackup({ backup: "latest", include: ["uploads/1.txt"] });
  assert.equal(readFileSync(join(app.uploads, "1.txt"), "utf8"), "then");
  assert.equal(readFileSync(join(app.uploads, "2.txt"), "utf8"), "since");
});

test("restore of a folder with a mount inside is refused by the mount's name, and touches nothing", async () => {
  await using app = createLiveApp();
  const inside = join(app.uploads, "cache");
  mkdirSync(inside);
  await using manager = createBackupManager(app.configuration);
  await manager.createFullBackup();
  using _mount = mount(inside, ...tmpfs);
  writeFileSync(join(inside, "x"), "x");
  const before = names(app.uploads);
  await assert.rejects(
    manager.restoreStorage({ backup: "latest" }),
    (error) =>
      isBackupError(error, "unsupported") && error.message.includes(inside) && error.hint !== undefined,
  );
  assert.deepEqual(names(app.uploads), before);
});

test("restore of a database whose file is a mount is refused, and works live", async () => {
  await using app = createLiveApp();
  new DatabaseSync(app.database).exec("PRAGMA journal_mode = DELETE");
  const elsewhere = join(app.directory, "real.db");
  writeFileSync(elsewhere, readFileSync(app.database));
  using _mount = mount(app.database, "--bind", elsewhere);
  await using manager = createBackupManager(app.configuration);
  await manager.backupDatabase();
  const database = new DatabaseSync(app.database);
  database.exec("UPDATE accounts SET balance = 1");
  database.close();
  await assert.rejects(
    manager.restoreDatabase({ backup: "latest" }),
    (error) => isBackupError(error, "unsupported") && /--live/.test(error.hint ?? ""),
  );
  await manager.restoreDatabase({ backup: "latest", live: true });
  assert.equal(sumOfBalances(elsewhere), totalBalance);
});

test("restore onto another device than the vault's builds on that device, and an absent folder appears whole", async () => {
  await using app = createLiveApp();
  const place = join(app.directory, "other");
  mkdirSync(place);
  using _mount = mount(place, ...tmpfs);
  await using manager = createBackupManager(app.configuration);
  await manager.createFullBackup();
  await manager.restoreBackup({ backup: "latest", target: join(place, "new", "deep") });
  assert.equal(sumOfBalances(join(place, "new", "deep", "app.db")), totalBalance);
  await manager.undoRestore();
  assert.equal(existsSync(join(place, "new")), false);
});

test("restore that runs out of space half-way leaves everything as it was", async () => {
  await using app = createLiveApp();
  const place = join(app.directory, "other");
  mkdirSync(place);
  using _mount = mount(place, "-t", "tmpfs", "-o", "size=6m,nr_inodes=12", "tmpfs");
  await using manager = createBackupManager(app.configuration);
  await manager.createFullBackup();
  mkdirSync(join(place, "uploads"));
  writeFileSync(join(place, "uploads", "precious.txt"), "precious");
  await assert.rejects(manager.restoreBackup({ backup: "latest", target: place }), (error) =>
    isBackupError(error, "no-space"),
  );
  assert.deepEqual(readdirSync(place, { recursive: true }).sort(), ["uploads", "uploads/precious.txt"]);
});

test("restore over an earlier one whose kept state cannot be deleted is done, warns, and offers only the newer", async () => {
  await using app = createLiveApp();
  await using manager = createBackupManager(app.configuration);
  await manager.backupStorage();
  const file = join(app.uploads, "2024", "0.txt");
  writeFileSync(file, "first");
  const first = await manager.restoreBackup({ backup: "latest", source: "shop" });
  const kept = first.previousState[0] ?? "";
  const busy = mount(join(kept, "uploads", "2024"), ...tmpfs);
  writeFileSync(file, "second");
  const second = await manager.restoreBackup({ backup: first.backup.id });
  assert.match(second.warnings.join(), new RegExp(`^Cannot delete all of ${kept}, .*EBUSY`));
  assert.equal(existsSync(kept), true);
  await assert.rejects(manager.undoRestore({ restoreId: first.restoreId }), (error) =>
    isBackupError(error, "not-found"),
  );
  await manager.undoRestore();
  assert.equal(readFileSync(file, "utf8"), "second");
  const discarding = mount(
    join(app.directory, `.uploads.vertex-previous-${journalOf(app)}`, "uploads", "2024"),
    ...tmpfs,
  );
  await assert.rejects(manager.discardPreviousState(), (error) =>
    isBackupError(error, "storage-unavailable"),
  );
  await assert.rejects(manager.undoRestore(), (error) => isBackupError(error, "not-found"));
  busy[Symbol.dispose]();
  discarding[Symbol.dispose]();
  await manager.listBackups();
  assert.deepEqual(readdirSync(app.directory).filter(isRestoreLeftover), []);
  assert.deepEqual(readdirSync(join(app.directory, "state", "restores")), ["all.lock"]);
});

/** Id of the only restore whose replaced state can be brought back. */
function journalOf({ directory }: LiveApp): string {
  const folder = join(directory, "state", "restores");
  const journals = readdirSync(folder).filter((name) => name.endsWith(".json"));
  const kept = journals.filter((name) => readFileSync(join(folder, name), "utf8").includes('"state":"kept"'));
  return kept[0]?.replace(".json", "") ?? "";
}
