import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { test } from "node:test";
import { isBackupError } from "../../../../domain/error.ts";
import type { ObjectId } from "../../../../format/restic/model.ts";
import { encodeSnapshot } from "../../../../format/restic/snapshot.ts";
import { withBadSector } from "../../../../testing/bad-sector.ts";
import { everyFew, fewOf } from "../../../../testing/every-few.ts";
import {
  contentOf,
  objectsOf,
  type RestoredFiles,
  restoreAll,
  type SampleFiles,
  storageOf,
  storeSample,
} from "../../../../testing/sample-repository.ts";
import { sweepFaults } from "../../../../testing/sweep-faults.ts";
import { openTestRepository } from "../../../../testing/test-repository.ts";
import { noWait, signal, TestMachine } from "../../../../testing/vault-probe.ts";
import type {
  Maintenance,
  RepairBackupsOptions,
  RepairBackupsPlan,
  RepairBackupsReport,
} from "../../../maintenance.ts";
import { RepositoryKeyRing } from "../../key-ring.ts";
import { loadIndex } from "../../load-index.ts";
import { packName, saveObject } from "../../objects.ts";
import type { Repository } from "../../repository.ts";
import { backupIds, loadSnapshots } from "../load-snapshots.ts";
import { repositoryMaintenance } from "../repository-maintenance.ts";

type Objects = Map<string, Buffer>;

const one: SampleFiles = {
  "/srv/app/a.txt": ["first part ", "second part ", "third part "],
  "/srv/app/b.txt": ["bee "],
  "/srv/app/deep/c.txt": ["sea "],
};
const two: SampleFiles = { ...one, "/srv/app/z.txt": ["zee "] };
const apart: SampleFiles = { "/srv/apart": ["apart "] };

interface Sample {
  readonly repo: Repository;
  readonly objects: Objects;
  readonly ids: { readonly one: ObjectId; readonly two: ObjectId; readonly apart: ObjectId };
}

async function makeSample(): Promise<Sample> {
  const repo = await openTestRepository(await storageOf(new Map()));
  const ids = {
    one: await storeSample(repo, one),
    two: await storeSample(repo, two, 5),
    apart: await storeSample(repo, apart, 9),
  };
  return { repo, objects: new Map(await objectsOf(repo.storage)), ids };
}

function maintain(repo: Repository): Maintenance {
  return repositoryMaintenance(repo, new RepositoryKeyRing(repo, {}));
}

async function openCopy(
  objects: ReadonlyMap<string, Uint8Array>,
  machine = new TestMachine(),
): Promise<Repository> {
  return await openTestRepository(await storageOf(objects), { machine: machine.process(1) });
}

async function placeOf(repo: Repository, text: string, type: "data" | "tree" = "data") {
  const { index } = await loadIndex(repo, signal);
  return index.find(hash("sha256", text, "hex"), type) ?? assert.fail(text);
}

async function withDamagedBlob(
  { repo, objects }: Pick<Sample, "repo" | "objects">,
  text: string,
): Promise<Objects> {
  const { pack, offset } = await placeOf(repo, text);
  return flipped(objects, packName(pack), offset + 20);
}

function flipped(objects: Objects, name: string, at: number): Objects {
  const bytes = Buffer.from(objects.get(name) ?? assert.fail(name));
  const position = at < 0 ? bytes.length + at : at;
  bytes.writeUInt8((bytes[position] ?? 0) ^ 1, position);
  return new Map(objects).set(name, bytes);
}

function without(objects: Objects, isGone: (name: string) => boolean): Objects {
  return new Map([...objects].filter(([name]) => !isGone(name)));
}

/** What every backup gives back, by the id it is known by. */
async function restoredById(repo: Repository): Promise<Record<string, RestoredFiles>> {
  const { snapshots } = await loadSnapshots(repo, signal);
  const ids = backupIds(snapshots);
  return Object.fromEntries([...(await restoreAll(repo))].map(([id, files]) => [ids.get(id) ?? id, files]));
}

function whole({ ids }: Sample): Record<string, RestoredFiles> {
  return { [ids.one]: contentOf(one), [ids.two]: contentOf(two), [ids.apart]: contentOf(apart) };
}

async function assertSound(repo: Repository): Promise<void> {
  const { damages } = await maintain(repo).check({ ...noWait, readData: "all" }, signal);
  assert.deepEqual(damages, []);
}

test("repairIndex() makes a lost index again from the packs", async () => {
  const sample = await makeSample();
  const repo = await openCopy(without(sample.objects, (name) => name.startsWith("index/")));
  const report = await maintain(repo).repairIndex(noWait, signal);
  assert.equal(report.packsAdded, report.packsRead);
  assert.deepEqual(await restoredById(repo), whole(sample));
  await assertSound(repo);
});

test("repairIndex() replaces index files that cannot be read, and forgets packs that are gone", async () => {
  const sample = await makeSample();
  const { pack } = await placeOf(sample.repo, "zee ");
  const index = [...sample.objects.keys()].find((name) => name.startsWith("index/")) ?? assert.fail();
  const damaged = without(flipped(sample.objects, index, 30), (name) => name === packName(pack));
  const repo = await openCopy(damaged);
  const report = await maintain(repo).repairIndex(noWait, signal);
  assert.ok(report.packsGone <= 1 && report.unreadable.length === 0);
  const { index: made, damaged: left } = await loadIndex(repo, signal);
  assert.deepEqual(left, []);
  assert.equal(made.hasPack(pack), false);
  assert.equal(made.has(hash("sha256", "bee ", "hex"), "data"), true);
});

test("repairIndex() changes nothing where the index is right", async () => {
  const { objects } = await makeSample();
  const repo = await openCopy(objects);
  const report = await maintain(repo).repairIndex(noWait, signal);
  assert.deepEqual(
    { ...report, packsRead: 0 },
    { packsRead: 0, packsAdded: 0, packsGone: 0, unreadable: [] },
  );
  assert.deepEqual(await objectsOf(repo.storage), objects);
});

test("repairIndex() saves the blobs of packs whose headers are damaged or cut off", async () => {
  const sample = await makeSample();
  const { pack } = await placeOf(sample.repo, "zee ");
  const name = packName(pack);
  const bytes = sample.objects.get(name) ?? assert.fail();
  for (const objects of [
    flipped(sample.objects, name, -10),
    flipped(sample.objects, name, -2),
    new Map(sample.objects).set(name, bytes.subarray(0, -7)),
  ]) {
    const repo = await openCopy(objects);
    const report = await maintain(repo).repairIndex(noWait, signal);
    assert.deepEqual(
      report.unreadable.map(({ object }) => object),
      [name],
    );
    assert.equal((await objectsOf(repo.storage)).has(name), true, "it is left in place");
    assert.deepEqual(await restoredById(repo), whole(sample));
    await assertSound(repo);
  }
});

async function repairBackups(
  repo: Repository,
  changes: Partial<RepairBackupsOptions> = {},
): Promise<RepairBackupsReport> {
  return await maintain(repo).repairBackups(
    { ...noWait, dryRun: false, confirm: async () => true, ...changes },
    signal,
  );
}

test("repairBackups() cuts what is lost out of a file, and leaves every other file and backup as it was", async () => {
  const sample = await makeSample();
  const { ids } = sample;
  const repo = await openCopy(await withDamagedBlob(sample, "second part "));
  const report = await repairBackups(repo);
  assert.deepEqual(new Set(report.rewritten), new Set([ids.one, ids.two]));
  assert.deepEqual(report.hopeless, []);
  assert.deepEqual(
    report.lost.map(({ path }) => path),
    ["/srv/app/a.txt"],
  );
  const cut = { "/srv/app/a.txt": "first part third part " };
  assert.deepEqual(await restoredById(repo), {
    [ids.one]: { ...contentOf(one), ...cut },
    [ids.two]: { ...contentOf(two), ...cut },
    [ids.apart]: contentOf(apart),
  });
  await assertSound(repo);
  assert.deepEqual((await repairBackups(repo)).rewritten, [], "nothing is left to repair");
});

test("repairBackups() does not take what restic rewrote of a backup for its own work", async () => {
  const sample = await makeSample();
  const { snapshots } = await loadSnapshots(sample.repo, signal);
  const { document } = snapshots.find(({ id }) => id === sample.ids.apart) ?? assert.fail();
  const { time, timeMs } = snapshots.find(({ id }) => id === sample.ids.two)?.document ?? assert.fail();
  // As `restic rewrite --exclude` without --forget: the same backup, without most of its files.
  const copy = encodeSnapshot({ ...document, time, timeMs, original: sample.ids.two, tags: ["rewrite"] });
  await saveObject(sample.repo, "snapshots", copy, signal);
  const objects = new Map(await objectsOf(sample.repo.storage));
  const repo = await openCopy(await withDamagedBlob({ ...sample, objects }, "zee "));
  await repairBackups(repo);
  assert.deepEqual((await restoredById(repo))[sample.ids.two], contentOf(one));
});

test("repairBackups() forgets damaged blobs, so that the next backup stores them again", async () => {
  const sample = await makeSample();
  const repo = await openCopy(await withDamagedBlob(sample, "zee "));
  await repairBackups(repo);
  const id = await storeSample(repo, two, 20);
  assert.deepEqual((await restoredById(repo))[id], contentOf(two));
});

test("repairBackups() leaves out files of which nothing is left, also where their pack is missing", async () => {
  const sample = await makeSample();
  const { pack } = await placeOf(sample.repo, "zee ");
  const repo = await openCopy(without(sample.objects, (name) => name === packName(pack)));
  const report = await repairBackups(repo);
  assert.deepEqual(report.rewritten, [sample.ids.two]);
  assert.deepEqual((await restoredById(repo))[sample.ids.two], contentOf(one));
  await assertSound(repo);
});

test("repairBackups() empties a folder whose tree is lost, and gives up a backup without its first tree", async () => {
  const sample = await makeSample();
  const { snapshots } = await loadSnapshots(sample.repo, signal);
  const rootOf = (id: ObjectId): ObjectId =>
    snapshots.find((snapshot) => snapshot.id === id)?.document.tree ?? assert.fail();
  const { index } = await loadIndex(sample.repo, signal);
  const root = index.find(rootOf(sample.ids.apart), "tree") ?? assert.fail();
  const repo = await openCopy(flipped(sample.objects, packName(root.pack), root.offset + 20));
  const report = await repairBackups(repo);
  assert.deepEqual(report.hopeless, [sample.ids.apart]);
  assert.deepEqual(report.rewritten, []);
  const listed = (await loadSnapshots(repo, signal)).snapshots.map(({ id }) => id);
  assert.ok(listed.includes(sample.ids.apart), "it is left until somebody gives it up");
  await repairBackups(repo, { forgotten: [sample.ids.apart] });
  const { [sample.ids.apart]: _, ...others } = whole(sample);
  assert.deepEqual(await restoredById(repo), others);
  await assertSound(repo);
});

test("repairBackups() takes bytes that the disk cannot read for lost, saves those around them and deletes no such pack", async () => {
  const sample = await makeSample();
  const { pack, offset } = await placeOf(sample.repo, "second part ");
  const inner = await storageOf(sample.objects);
  const storage = withBadSector(inner, { name: packName(pack), at: offset + 20 });
  const report = await repairBackups(await openTestRepository(storage));
  assert.deepEqual(
    report.lost.map(({ path }) => path),
    ["/srv/app/a.txt"],
  );
  assert.equal((await objectsOf(inner)).has(packName(pack)), true, "another disk may read it");
  const cut = { "/srv/app/a.txt": "first part third part " };
  const { one: first, two: second, apart: third } = sample.ids;
  assert.deepEqual(await restoredById(await openTestRepository(storage)), {
    [first]: { ...contentOf(one), ...cut },
    [second]: { ...contentOf(two), ...cut },
    [third]: contentOf(apart),
  });
  const { index } = await loadIndex(await openTestRepository(storage), signal);
  assert.equal(index.hasPack(pack), false, "the next backup stores again what was lost");
});

test("repairIndex() saves the blobs of a pack whose header the disk cannot read", async () => {
  const sample = await makeSample();
  const { pack } = await placeOf(sample.repo, "zee ");
  const name = packName(pack);
  const at = (sample.objects.get(name)?.length ?? 0) - 2;
  const storage = withBadSector(await storageOf(sample.objects), { name, at });
  const repo = await openTestRepository(storage);
  const { unreadable } = await maintain(repo).repairIndex(noWait, signal);
  assert.deepEqual(
    unreadable.map(({ object }) => object),
    [name],
  );
  assert.deepEqual(await restoredById(repo), whole(sample));
});

test("repairs end with nothing changed where the disk reads nothing at all", async () => {
  const sample = await makeSample();
  const { pack } = await placeOf(sample.repo, "second part ");
  const inner = await storageOf(sample.objects);
  const bad = { name: packName(pack), at: 5 };
  const repo = await openTestRepository(withBadSector(inner, bad));
  const storage = withBadSector(repo.storage, { name: "config", at: 0 });
  await assert.rejects(repairBackups({ ...repo, storage }), (error) =>
    isBackupError(error, "storage-unavailable"),
  );
  assert.deepEqual(await objectsOf(inner), sample.objects);
});

test("repairBackups() only tells in a dry run", async () => {
  const sample = await makeSample();
  const damaged = await withDamagedBlob(sample, "second part ");
  const repo = await openCopy(damaged);
  const report = await repairBackups(repo, { dryRun: true });
  assert.equal(report.dryRun, true);
  assert.deepEqual(new Set(report.rewritten), new Set([sample.ids.one, sample.ids.two]));
  assert.deepEqual(await objectsOf(repo.storage), damaged);
});

test("repairBackups() asks with what it is going to do, and removes nothing where that is refused", async () => {
  const sample = await makeSample();
  const damaged = await withDamagedBlob(sample, "second part ");
  const repo = await openCopy(damaged);
  const plans: RepairBackupsPlan[] = [];
  const confirm = async (plan: RepairBackupsPlan): Promise<boolean> => {
    plans.push(plan);
    return false;
  };
  const refused = await repairBackups(repo, { confirm });
  assert.equal(refused.done, false);
  assert.deepEqual(await objectsOf(repo.storage), damaged);
  const report = await repairBackups(repo);
  assert.deepEqual({ ...plans[0], done: true, dryRun: false }, report);
  assert.equal(report.packsRemoved, 1);
  await repairBackups(repo, { confirm });
  assert.equal(plans.length, 1, "nobody is asked about nothing");
});

test("repairBackups() finds in packs what only the index had lost, and rewrites nothing", async () => {
  const sample = await makeSample();
  const repo = await openCopy(without(sample.objects, (name) => name.startsWith("index/")));
  assert.deepEqual((await repairBackups(repo)).rewritten, []);
  assert.deepEqual(await restoredById(repo), whole(sample));
});

test("repairs wait for others, and say so", async () => {
  const { objects } = await makeSample();
  const repo = await openCopy(objects);
  const { acquireLock } = await import("../../locks/acquire-lock.ts");
  const other = { ...repo, machine: new TestMachine().process(2) };
  await using _lock = await acquireLock(other, { ...noWait, exclusive: false }, signal);
  const isLocked = (error: unknown): boolean => isBackupError(error, "locked");
  await assert.rejects(repairBackups(repo), isLocked);
  await assert.rejects(maintain(repo).repairIndex(noWait, signal), isLocked);
});

/** Interruptions of which the unit tests try one. */
const few = 5;

test("repairs may be cut short at any storage call: no more is lost, and the next repair ends the job", async () => {
  const repo = await openTestRepository(await storageOf(new Map()));
  const id = await storeSample(repo, { "/f": ["lost ", "kept "], "/g": ["whole "] });
  const sample = { repo, objects: new Map(await objectsOf(repo.storage)) };
  const damaged = without(await withDamagedBlob(sample, "lost "), (name) => name.startsWith("index/"));
  const machines = { current: new TestMachine() };
  const { tried } = await sweepFaults({
    every: everyFew(few),
    open: async () => {
      machines.current = new TestMachine();
      return await storageOf(damaged);
    },
    scenario: async (storage) => {
      await repairBackups(await openTestRepository(storage, { machine: machines.current.process(666) }));
    },
    check: async ({ storage }) => {
      machines.current.kill(666);
      const repaired = await openTestRepository(storage, { machine: machines.current.process(1) });
      await repairBackups(repaired);
      assert.deepEqual(await restoredById(repaired), { [id]: { "/f": "kept ", "/g": "whole " } });
    },
  });
  assert.ok(tried > fewOf(100, few), `only ${tried} faults were tried`);
});
