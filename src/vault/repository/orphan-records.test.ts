import assert from "node:assert/strict";
import { test } from "node:test";
import { isoWithOffset } from "../../domain/clock.ts";
import { encodeSnapshot } from "../../format/restic/snapshot.ts";
import { MemoryStorage } from "../../storage/memory-storage.ts";
import { withBadSector } from "../../testing/bad-sector.ts";
import { storeSample } from "../../testing/sample-repository.ts";
import { openTestRepository } from "../../testing/test-repository.ts";
import { noonMs, noWait, signal } from "../../testing/vault-probe.ts";
import type { PruneReport } from "../maintenance.ts";
import { RepositoryKeyRing } from "./key-ring.ts";
import { acquireLock } from "./locks/acquire-lock.ts";
import { loadSnapshots } from "./maintenance/load-snapshots.ts";
import { repositoryMaintenance } from "./maintenance/repository-maintenance.ts";
import { removeObjects, saveObject } from "./objects.ts";
import { RepositoryRecords } from "./records.ts";
import { RepositoryBackupRemover } from "./remove-backups.ts";
import type { Repository } from "./repository.ts";

interface Scene {
  readonly repo: Repository;
  readonly storage: MemoryStorage;
  readonly kept: string;
  /** The backup whose snapshot was removed behind our back. */
  readonly forgotten: string;
}

async function pin(repo: Repository, backupId: string | undefined): Promise<void> {
  const common = { at: isoWithOffset(noonMs), host: "probe", message: "" };
  const record = backupId === undefined ? { kind: "failed" as const } : { kind: "pinned" as const, backupId };
  await new RepositoryRecords(repo).add({ ...common, ...record }, signal);
}

/** Two backups and a failed run, all with records; restic has forgotten one. */
async function openScene(): Promise<Scene> {
  const storage = new MemoryStorage();
  const repo = await openTestRepository(storage);
  const kept = await storeSample(repo, { "/a": ["a"] });
  const forgotten = await storeSample(repo, { "/a": ["a"] }, 5);
  for (const about of [kept, forgotten, undefined]) await pin(repo, about);
  await removeObjects(repo, "snapshots", [forgotten], signal);
  return { repo, storage, kept, forgotten };
}

async function recorded(repo: Repository): Promise<readonly (string | undefined)[]> {
  const records = await new RepositoryRecords(repo).list(signal);
  return records.map(({ backupId }) => backupId).sort();
}

async function prune(repo: Repository, dryRun = false, confirmed = true): Promise<PruneReport> {
  const maintenance = repositoryMaintenance(repo, new RepositoryKeyRing(repo));
  const options = { ...noWait, maxUnusedPercent: 0, dryRun, confirm: () => Promise.resolve(confirmed) };
  return await maintenance.prune(options, signal);
}

async function removeNothing(repo: Repository): Promise<void> {
  await using lock = await acquireLock(repo, { ...noWait, exclusive: true }, signal);
  await new RepositoryBackupRemover(repo, lock).remove(["ab".repeat(32)], signal);
}

test("prune() and remove() take along the records of backups that restic removed, and no others", async () => {
  for (const remove of [prune, removeNothing]) {
    const { repo, kept, forgotten } = await openScene();
    assert.deepEqual(await recorded(repo), [kept, forgotten, undefined].sort());
    await prune(repo, true);
    assert.equal((await recorded(repo)).length, 3, "a dry run changes nothing");
    await remove(repo);
    assert.deepEqual(await recorded(repo), [kept, undefined].sort());
  }
});

test("prune() counts the records that go, and calls it done where nothing else was removed", async () => {
  const { repo } = await openScene();
  // Until nothing but records is left to remove.
  const [first] = (await loadSnapshots(repo, signal)).snapshots;
  await prune(repo);
  await pin(repo, "cd".repeat(32));
  await pin(repo, "cd".repeat(32));
  const planned = await prune(repo, true);
  assert.deepEqual([planned.done, planned.plan.recordsRemoved, planned.plan.backups], [false, 2, 1]);
  const refused = await prune(repo, false, false);
  assert.equal(refused.done, false);
  assert.equal((await recorded(repo)).length, 4, "a refusal changes nothing");
  const { done, plan } = await prune(repo);
  assert.deepEqual([done, plan.recordsRemoved, plan.packsRemoved + plan.packsRepacked], [true, 2, 0]);
  assert.deepEqual(await recorded(repo), [first!.id, undefined].sort());
  assert.equal((await prune(repo)).done, false);
});

test("records of a backup that was written anew stay, under its id and under that of its snapshot", async () => {
  const { repo, kept } = await openScene();
  const [found] = (await loadSnapshots(repo, signal)).snapshots;
  const document = encodeSnapshot({ ...found!.document, original: kept });
  const anew = await saveObject(repo, "snapshots", document, signal);
  await pin(repo, anew);
  await prune(repo);
  assert.deepEqual(await recorded(repo), [kept, anew, undefined].sort(), "two backups until one is removed");
  await removeObjects(repo, "snapshots", [kept], signal);
  await prune(repo);
  assert.deepEqual(await recorded(repo), [kept, anew, undefined].sort(), "one that goes by the old id");
});

test("no record goes while a snapshot cannot be read: nobody knows whose it is", async () => {
  const { repo, storage, kept, forgotten } = await openScene();
  const broken = { ...repo, storage: withBadSector(storage, { name: `snapshots/${kept}`, at: 5 }) };
  await removeNothing(broken);
  await assert.rejects(prune(broken), /Cannot prune/);
  assert.deepEqual(await recorded(repo), [kept, forgotten, undefined].sort());
});
