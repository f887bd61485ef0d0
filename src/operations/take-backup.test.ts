import assert from "node:assert/strict";
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import "../testing/kept-captures.ts";
import { createBackupManager } from "../app/create-backup-manager.ts";
import type { Backup, Problem } from "../domain/backup.ts";
import { isBackupError } from "../domain/error.ts";
import { type Progress, silentObserver } from "../domain/progress.ts";
import { createLiveApp, type LiveApp } from "../testing/live-app.ts";
import { openLiveContext } from "../testing/live-context.ts";
import { sampleBackup } from "../testing/sample-backup.ts";
import { tarNames } from "../testing/tar-names.ts";
import { signal } from "../testing/vault-probe.ts";
import { backUp } from "./back-up.ts";
import { parentOf } from "./take-backup.ts";

function storedFiles(app: LiveApp, backup: Backup): string[] {
  const archive = backup.files.find((file) => file.role === "archive");
  return tarNames(join(app.vault, archive?.name ?? ""));
}

const kindsAndPaths = (problems: readonly Problem[]): string[] =>
  problems.map(({ kind, path }) => `${kind} ${path}`);

test("a full backup of a folder that holds everything leaves out the vault, the state and the database's files", async () => {
  await using app = createLiveApp();
  await app.startWriter();
  // All of it in one folder, and the folder named by way of a link.
  symlinkSync(app.directory, `${app.directory}-link`);
  const sources = [{ name: "shop", databases: [app.database], storage: [`${app.directory}-link`] }];
  await using manager = createBackupManager({ ...app.configuration, sources });
  try {
    await manager.createBackup();
    const { backup } = await manager.createBackup();
    const names = storedFiles(app, backup);
    assert.ok(names.some((name) => name.endsWith("uploads/2024/0.txt")));
    assert.deepEqual(
      names.filter((name) => /app\.db|backups|state/.test(name)),
      [],
    );
  } finally {
    rmSync(`${app.directory}-link`);
  }
});

test("a database found in a folder is captured, whatever its name, and its sidecars are left out (J1)", async () => {
  await using app = createLiveApp();
  using found = new DatabaseSync(join(app.uploads, "cache.dat"));
  found.exec("PRAGMA journal_mode = WAL; CREATE TABLE t (x); INSERT INTO t VALUES ('only in the WAL')");
  await using manager = createBackupManager(app.configuration);
  const { backup, problems } = await manager.backupStorage();
  assert.deepEqual(problems, []);
  const names = storedFiles(app, backup).filter((name) => name.includes("cache.dat"));
  assert.deepEqual(names, ["uploads/cache.dat"]);
});

test("another app under the name of one does not rotate its backups away (I5)", async () => {
  await using app = createLiveApp({ retention: { last: 1 } });
  await using manager = createBackupManager(app.configuration);
  const first = (await manager.backupStorage()).backup;
  const storage = join(app.directory, "other");
  mkdirSync(storage);
  for (let i = 0; i < 9; i++) writeFileSync(join(storage, `${i}.bin`), Buffer.alloc(9000, i));
  await using other = createBackupManager({
    ...app.configuration,
    sources: [{ name: "shop", storage: [storage] }],
  });
  for (let i = 0; i < 2; i++) {
    const { backup, warnings } = await other.backupStorage();
    assert.equal(backup.state, "suspect");
    assert.match(warnings.join(), /holds none of the databases and folders of storage_/);
  }
  assert.ok((await manager.listBackups()).some(({ id }) => id === first.id));
});

test("a folder that is gone or has become empty makes the backup suspect, and a confirmed one settles it (I5)", async () => {
  await using app = createLiveApp();
  await using manager = createBackupManager(app.configuration);
  await manager.createFullBackup();
  renameSync(app.uploads, `${app.uploads}.away`);
  const gone = (await manager.createFullBackup()).backup;
  assert.deepEqual([gone.state, /uploads is missing/.test(gone.stateReason)], ["suspect", true]);
  mkdirSync(app.uploads);
  const empty = (await manager.createFullBackup()).backup;
  assert.deepEqual([empty.state, /uploads is empty/.test(empty.stateReason)], ["suspect", true]);
  for (const { id } of [gone, empty]) await manager.confirmBackup(id);
  assert.equal((await manager.createFullBackup()).backup.state, "good");
});

test("a folder that lost more than half of its files makes the backup suspect", async () => {
  await using app = createLiveApp();
  await using manager = createBackupManager(app.configuration);
  await manager.backupStorage();
  for (const n of [0, 1, 2]) rmSync(join(app.uploads, "2024", `${n}.txt`));
  const { backup } = await manager.backupStorage();
  assert.deepEqual([backup.state, backup.stateReason], ["suspect", "the number of files fell from 5 to 2"]);
});

test("the first backup of paths that are not there is refused, and of some that are not is suspect", async () => {
  await using app = createLiveApp();
  const none = join(app.directory, "none");
  const sources = [
    { name: "misspelt", storage: [none] },
    { name: "half", databases: [app.database], storage: [none] },
  ];
  await using manager = createBackupManager({ ...app.configuration, sources });
  const refused = manager.createBackup({ source: "misspelt" });
  await assert.rejects(
    refused,
    (error) =>
      isBackupError(error, "source-unavailable") &&
      error.message === `Cannot back up misspelt: folder ${none} is missing`,
  );
  const { backup } = await manager.createBackup({ source: "half" });
  assert.deepEqual([backup.state, backup.databases.length], ["suspect", 1]);
});

test("a backup of what another host has backed up last under the same name says so, once it is its own no more", async () => {
  await using app = createLiveApp();
  const context = await openLiveContext(app);
  await using _vault = context.vault;
  const warningsOn = async (host: string, type: "database" | "storage"): Promise<string> => {
    const machine = { ...context.machine, owner: { ...context.machine.owner, host } };
    const request = { type, source: "shop", rotate: false, signal, observer: silentObserver };
    return (await backUp({ ...context, machine }, request)).warnings.join();
  };
  assert.equal(await warningsOn("alpha", "storage"), "");
  assert.equal(await warningsOn("beta", "database"), "", "the first of its type");
  assert.match(
    await warningsOn("beta", "storage"),
    /^The last backup of shop, storage_\S+, was made on alpha, and this one on beta/,
  );
  assert.equal(await warningsOn("beta", "storage"), "");
});

test("a source that cannot be read is refused with the reason of each part of it", async () => {
  await using app = createLiveApp();
  const folder = join(app.directory, "folder.db");
  mkdirSync(folder);
  const sources = [{ name: "mixed-up", databases: [folder, "/dev/null"], storage: [app.database] }];
  await using manager = createBackupManager({ ...app.configuration, sources });
  const error: unknown = await manager.createBackup().catch((failure: unknown) => failure);
  assert.ok(isBackupError(error, "source-unavailable"));
  assert.deepEqual(error.message.replace("Cannot back up mixed-up: ", "").split("; "), [
    `database ${folder} could not be captured: Not a regular file`,
    "database /dev/null could not be captured: Not a regular file",
    `folder ${app.database} cannot be read: it is no folder`,
  ]);
});

test("a full backup names the files that rows name and the backup lacks (J2)", async () => {
  await using app = createLiveApp();
  const references = [{ table: "images", column: "file", base: app.uploads }];
  const storage = [{ path: app.uploads, exclude: ["1.txt"] }];
  const sources = [{ name: "shop", databases: [app.database], storage, references }];
  await using manager = createBackupManager({ ...app.configuration, sources });
  rmSync(join(app.uploads, "2024", "3.txt"));
  const { backup, problems } = await manager.createFullBackup();
  assert.equal(backup.state, "good");
  assert.deepEqual(kindsAndPaths(problems).toSorted(), [
    `reference-missing ${app.uploads}/2024/3.txt`,
    "reference-missing uploads/2024/1.txt",
  ]);
  assert.equal(backup.problemCount, 2);
});

test("a reference to a column that is not there is a problem, not the end of the backup", async () => {
  await using app = createLiveApp();
  const references = [{ table: "images", column: "picture", base: app.uploads }];
  const sources = [{ name: "shop", databases: [app.database], storage: [app.uploads], references }];
  await using manager = createBackupManager({ ...app.configuration, sources });
  const { backup, problems } = await manager.createFullBackup();
  assert.equal(backup.state, "incomplete");
  assert.deepEqual(kindsAndPaths(problems), ["unreadable reference app.db, images.picture"]);
});

test("progress of a backup never goes back within a phase, and ends at its totals", async () => {
  await using app = createLiveApp();
  for (let i = 0; i < 40; i++) writeFileSync(join(app.uploads, `${i}.bin`), Buffer.alloc(100_000, i));
  await using manager = createBackupManager(app.configuration);
  const last = new Map<string, Progress>();
  const progress = (now: Progress): void => {
    const before = last.get(now.phase);
    assert.ok(now.bytesDone >= (before?.bytesDone ?? 0) && now.itemsDone >= (before?.itemsDone ?? 0));
    last.set(now.phase, now);
  };
  await manager.createFullBackup({ observer: { progress, warning() {}, problem() {} } });
  for (const phase of ["scan", "store"]) {
    const { bytesDone, bytesTotal, itemsDone, itemsTotal } = last.get(phase) ?? {};
    assert.deepEqual([bytesDone, itemsDone], [bytesTotal, itemsTotal], phase);
    assert.ok((bytesDone ?? 0) >= 4_000_000, phase);
  }
});

test("parentOf() takes the newest of its source's backups, and no snapshot of another program that bears its name", () => {
  const roots = [{ name: "uploads", path: "/srv/uploads" }];
  const folders = roots.map((root) => {
    return { ...root, excludes: [], oneFileSystem: false, excludeCaches: false, plainFiles: [] };
  });
  const source = { name: "restic", databases: [], folders, references: [] };
  const ours = sampleBackup({ id: "ours", source: "restic", roots });
  const foreign = sampleBackup({ id: "foreign", source: "restic", roots, neverRemoved: true });
  assert.equal(parentOf([foreign, ours], { type: "full", source })?.id, "ours");
  assert.equal(parentOf([foreign], { type: "full", source }), undefined);
});
