import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { lstatSync, mkdirSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { readdir, rm, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { isBackupError } from "../../domain/error.ts";
import { MemoryStorage } from "../../storage/memory-storage.ts";
import { openTemporaryLocalStorage } from "../../testing/local-vault-folder.ts";
import { storeSample } from "../../testing/sample-repository.ts";
import { openTestRepository } from "../../testing/test-repository.ts";
import { noWait, signal } from "../../testing/vault-probe.ts";
import { RepositoryKeyRing } from "./key-ring.ts";
import { listBackups } from "./list-backups.ts";
import { checkRepository } from "./maintenance/check/check-repository.ts";
import { loadSnapshots } from "./maintenance/load-snapshots.ts";
import { repositoryMaintenance } from "./maintenance/repository-maintenance.ts";
import { listObjects, removeObjects } from "./objects.ts";
import type { Repository } from "./repository.ts";
import { makeSnapshotsFolder } from "./snapshots-folder.ts";

const isDamage = (error: unknown): boolean =>
  isBackupError(error, "damaged") &&
  /folder snapshots is gone/.test(error.message) &&
  error.hint !== undefined;

async function prune(repo: Repository): Promise<unknown> {
  const maintenance = repositoryMaintenance(repo, new RepositoryKeyRing(repo));
  const confirm = (): Promise<boolean> => Promise.resolve(true);
  return await maintenance.prune({ ...noWait, maxUnusedPercent: 0, dryRun: false, confirm }, signal);
}

test("a repository that lost its folder of snapshots is damaged, not without backups, and prune removes nothing", async () => {
  await using storage = await openTemporaryLocalStorage();
  const repo = await openTestRepository(storage);
  await storeSample(repo, { "/a": ["a"] });
  const packs = await listObjects(repo, "data", signal);
  await rm(join(storage.location, "snapshots"), { recursive: true });
  await assert.rejects(prune(repo), isDamage);
  await assert.rejects(listBackups(repo, signal), isDamage);
  await assert.rejects(makeSnapshotsFolder(storage, signal), isDamage, "nor does a new backup hide it");
  assert.deepEqual(await listObjects(repo, "data", signal), packs);
  const { ok, damages } = await checkRepository(repo, { ...noWait, readData: "none" }, () => 0, signal);
  assert.deepEqual([ok, damages.map(({ object }) => object)], [false, ["snapshots"]]);
});

test("a repository is made with its folder of snapshots, so that a first backup that is killed is no damage", async () => {
  await using storage = await openTemporaryLocalStorage();
  const repo = await openTestRepository(storage);
  assert.ok((await readdir(storage.location)).includes("snapshots"));
  const id = await storeSample(repo, { "/a": ["a"] });
  await removeObjects(repo, "snapshots", [id], signal);
  assert.deepEqual(await listBackups(repo, signal), []);
  await prune(repo);
  assert.deepEqual(await listObjects(repo, "data", signal), []);
});

test("a repository without the folder and without data has no backups; the next one makes the folder first", async () => {
  await using storage = await openTemporaryLocalStorage();
  const repo = await openTestRepository(storage);
  await rmdir(join(storage.location, "snapshots"));
  assert.deepEqual(await listBackups(repo, signal), []);
  await makeSnapshotsFolder(storage, signal);
  assert.ok((await readdir(storage.location)).includes("snapshots"));
});

test("where a storage has no folders, no snapshot means no backup", async () => {
  const storage = new MemoryStorage();
  const repo = await openTestRepository(storage);
  const id = await storeSample(repo, { "/a": ["a"] });
  await removeObjects(repo, "snapshots", [id], signal);
  assert.deepEqual((await loadSnapshots(repo, signal)).snapshots, []);
  await makeSnapshotsFolder(storage, signal);
});

test("a snapshot that is a link, a folder or a pipe is damaged: it is named, and prune removes nothing", async () => {
  const makers: readonly ((path: string) => void)[] = [
    (path) => {
      renameSync(path, `${path}-elsewhere`);
      symlinkSync(`${path}-elsewhere`, path);
    },
    (path) => {
      rmSync(path);
      mkdirSync(path);
    },
    (path) => {
      rmSync(path);
      execFileSync("mkfifo", [path]);
    },
  ];
  for (const make of makers) {
    await using storage = await openTemporaryLocalStorage();
    const repo = await openTestRepository(storage);
    const id = await storeSample(repo, { "/a": ["a"] });
    const other = await storeSample(repo, { "/b": ["b"] });
    const packs = await listObjects(repo, "data", signal);
    make(join(storage.location, "snapshots", id));
    await assert.rejects(prune(repo), /snapshots\/.*is no regular file/);
    assert.deepEqual(await listObjects(repo, "data", signal), packs);
    const { ok, damages } = await checkRepository(repo, { ...noWait, readData: "none" }, () => 0, signal);
    assert.deepEqual([ok, damages.map(({ object }) => object)], [false, [`snapshots/${id}`]]);
    const states = (await listBackups(repo, signal)).map((backup) => [backup.id, backup.state]);
    assert.equal(new Map(states as [string, string][]).get(id), "damaged");
    assert.notEqual(new Map(states as [string, string][]).get(other), "damaged");
  }
});

test("repairBackups() leaves a snapshot that is a link where it is: its file may be whole elsewhere", async () => {
  await using storage = await openTemporaryLocalStorage();
  const repo = await openTestRepository(storage);
  const id = await storeSample(repo, { "/a": ["a"] });
  const path = join(storage.location, "snapshots", id);
  renameSync(path, `${path}-elsewhere`);
  symlinkSync(`${path}-elsewhere`, path);
  const maintenance = repositoryMaintenance(repo, new RepositoryKeyRing(repo));
  const confirm = (): Promise<boolean> => Promise.resolve(true);
  const report = await maintenance.repairBackups(
    { ...noWait, dryRun: false, forgotten: [id], confirm },
    signal,
  );
  assert.deepEqual([report.hopeless, report.forgotten], [[id], []]);
  assert.deepEqual(
    report.lost.map(({ object }) => object),
    [`snapshots/${id}`],
  );
  assert.ok(lstatSync(path).isSymbolicLink());
});
