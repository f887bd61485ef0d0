import assert from "node:assert/strict";
import { test } from "node:test";
import { BackupError, isBackupError } from "../../../../domain/error.ts";
import { MemoryStorage } from "../../../../storage/memory-storage.ts";
import type { ByteRange, Storage } from "../../../../storage/storage.ts";
import { withBadSector } from "../../../../testing/bad-sector.ts";
import { everyFew, fewOf } from "../../../../testing/every-few.ts";
import { packsRemovedBeforeIndex } from "../../../../testing/sabotaged-storage.ts";
import {
  contentOf,
  objectsOf,
  restoreAll,
  type SampleFiles,
  storageOf,
  storeSample,
} from "../../../../testing/sample-repository.ts";
import { sweepFaults } from "../../../../testing/sweep-faults.ts";
import { openTestRepository } from "../../../../testing/test-repository.ts";
import { noWait, signal, TestMachine } from "../../../../testing/vault-probe.ts";
import type { PruneReport } from "../../../maintenance.ts";
import { RepositoryKeyRing } from "../../key-ring.ts";
import { loadIndex } from "../../load-index.ts";
import { listObjects, packName, removeObjects } from "../../objects.ts";
import type { Repository } from "../../repository.ts";
import { checkRepository } from "../check/check-repository.ts";
import { repositoryMaintenance } from "../repository-maintenance.ts";

const first: SampleFiles = {
  "/srv/app/kept.txt": ["kept "],
  "/srv/app/old.txt": ["old ", "older ", "shared "],
  "/srv/app/deep/er/x": ["x"],
};
const second: SampleFiles = {
  "/srv/app/kept.txt": ["kept "],
  "/srv/app/new.txt": ["new ", "shared "],
  "/srv/app/deep/er/x": ["x"],
};
const third: SampleFiles = { "/srv/other/y": ["y ", "y2 "] };

/** Three backups, of which the first and the last are gone, and a pack that an interrupted backup left. */
async function makeTemplate(): Promise<{
  readonly objects: ReadonlyMap<string, Buffer>;
  readonly kept: string;
}> {
  const repo = await openTestRepository(await storageOf(new Map()));
  const gone = [await storeSample(repo, first), await storeSample(repo, third, 2)];
  const kept = await storeSample(repo, second, 1);
  await removeObjects(repo, "snapshots", gone, signal);
  await repo.storage.put(packName("ab".repeat(32)), Buffer.from("half a backup"), signal);
  return { objects: await objectsOf(repo.storage), kept };
}

async function prune(repo: Repository, maxUnusedPercent = 0, dryRun = false): Promise<PruneReport> {
  const maintenance = repositoryMaintenance(repo, new RepositoryKeyRing(repo, {}));
  const options = { ...noWait, maxUnusedPercent, dryRun, confirm: () => Promise.resolve(true) };
  return await maintenance.prune(options, signal);
}

async function assertSound(repo: Repository, message?: string): Promise<void> {
  const { damages } = await checkRepository(repo, { ...noWait, readData: "all" }, () => 0, signal);
  assert.deepEqual(damages, [], message);
}

async function namesOf(storage: Storage): Promise<readonly string[]> {
  return [...(await objectsOf(storage)).keys()].sort();
}

async function openCopy(objects: ReadonlyMap<string, Uint8Array>): Promise<{
  readonly repo: Repository;
  readonly storage: MemoryStorage;
}> {
  const storage = await storageOf(objects);
  return { repo: await openTestRepository(storage), storage };
}

test("prune() leaves exactly what the backups need, and all of it", async () => {
  const { objects, kept } = await makeTemplate();
  const { repo, storage } = await openCopy(objects);
  const { done, plan } = await prune(repo);
  assert.ok(done);
  assert.deepEqual(await restoreAll(repo), new Map([[kept, contentOf(second)]]));
  await assertSound(repo);
  const { index } = await loadIndex(repo, signal);
  const blobs = Array.from(index.packs(), (pack) => pack.blobs.length).reduce((a, b) => a + b, 0);
  assert.equal(blobs, 9, "kept, new, shared, x; and the trees of /, srv, app, deep and er");
  const packs = await listObjects(repo, "data", signal);
  assert.equal(packs.length, index.packCount, "and no pack besides");
  assert.equal(plan.bytesUnusedAfter, 0);
  assert.deepEqual((await prune(repo)).done, false, "nothing is left to do");
  assert.deepEqual(
    (await namesOf(storage)).filter((name) => name.startsWith("locks/")),
    [],
  );
});

test("prune() changes nothing in a dry run, or where it is refused", async () => {
  const { objects } = await makeTemplate();
  const { repo, storage } = await openCopy(objects);
  const dry = await prune(repo, 0, true);
  assert.equal(dry.done, false);
  assert.ok(dry.plan.bytesFreed > 0);
  const maintenance = repositoryMaintenance(repo, new RepositoryKeyRing(repo, {}));
  const refused = await maintenance.prune(
    { ...noWait, maxUnusedPercent: 0, dryRun: false, confirm: () => Promise.resolve(false) },
    signal,
  );
  assert.deepEqual(refused, { plan: dry.plan, done: false });
  assert.deepEqual(await objectsOf(storage), objects);
});

/** Every pack, index and snapshot of a repository, once missing and once with a flipped bit. */
function* damagedCopies(objects: ReadonlyMap<string, Buffer>): Generator<{
  readonly name: string;
  readonly isMissing: boolean;
  readonly damaged: ReadonlyMap<string, Buffer>;
}> {
  for (const name of [...objects.keys()].filter((one) => /^(data|index|snapshots)/.test(one))) {
    const bytes = Buffer.from(objects.get(name) ?? "");
    bytes.writeUInt8((bytes[20] ?? 0) ^ 1, 20 % bytes.length);
    yield { name, isMissing: false, damaged: new Map(objects).set(name, bytes) };
    yield { name, isMissing: true, damaged: new Map([...objects].filter(([other]) => other !== name)) };
  }
}

test("prune() refuses before anything is removed where something needed is missing or damaged", async () => {
  const { objects } = await makeTemplate();
  let refused = 0;
  for (const { name, isMissing, damaged } of damagedCopies(objects)) {
    const { repo, storage } = await openCopy(damaged);
    const error = await prune(repo).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    const left = await objectsOf(storage);
    if (error !== undefined) {
      refused++;
      assert.ok(isBackupError(error, "damaged"), `${name}: ${String(error)}`);
      for (const [other, content] of damaged) assert.deepEqual(left.get(other), content, other);
    } else if (isMissing || !name.startsWith("data/") || !left.has(name)) {
      // A pack that is kept whole is not read; anything else that was damaged was not needed.
      await assertSound(repo, name);
    }
  }
  assert.ok(refused >= 8, `${refused} were refused`);
});

test("prune() refuses where the disk cannot read an index, snapshot or tree, and names it", async () => {
  const { objects, kept } = await makeTemplate();
  const names = [...objects.keys()].filter((name) => /^(index|snapshots)/.test(name));
  assert.equal(names.length, 4, "an index of each backup, and the snapshot that is left");
  for (const name of names) {
    const { storage } = await openCopy(objects);
    const repo = await openTestRepository(withBadSector(storage, { name, at: 10 }));
    const error = await prune(repo).catch((thrown: unknown) => thrown);
    assert.ok(isBackupError(error, "damaged"), String(error));
    assert.match(error.message, new RegExp(name));
    assert.match(error.hint ?? "", /disk.*run .*repair index/);
    assert.deepEqual(await objectsOf(storage), objects);
  }
  assert.ok(names.includes(`snapshots/${kept}`));
});

test("prune() frees a pack on a bad part of the disk if nobody needs what lies there, else names the blob", async () => {
  const { objects, kept } = await makeTemplate();
  const { index } = await loadIndex((await openCopy(objects)).repo, signal);
  let freed = 0;
  for (const { id: pack, blobs } of index.packs()) {
    for (const blob of blobs.filter(({ type }) => type === "data")) {
      const { storage } = await openCopy(objects);
      const repo = await openTestRepository(
        withBadSector(storage, { name: packName(pack), at: blob.offset + 20 }),
      );
      const error = await prune(repo).catch((thrown: unknown) => thrown);
      const whole = await openTestRepository(storage);
      assert.deepEqual(await restoreAll(whole), new Map([[kept, contentOf(second)]]));
      if (isBackupError(error))
        assert.match(error.message, new RegExp(`data ${blob.id} of pack ${pack}.*EIO`));
      else if ((await storage.stat(packName(pack), signal)) === undefined) freed++;
    }
  }
  assert.ok(freed >= 4, "old, older, and both of y");
});

/** Does not find one object, the first time it is asked for it. */
class ForgetfulStorage extends MemoryStorage {
  forgotten: string | undefined;
  override async *get(
    name: string,
    ...rest: [ByteRange | undefined, AbortSignal]
  ): AsyncIterable<Uint8Array> {
    if (name === this.forgotten) {
      this.forgotten = undefined;
      throw new BackupError("not-found", `Cannot read ${name}: it does not exist`);
    }
    yield* super.get(name, ...rest);
  }
}

test("prune() does not believe that a backup is gone which it has seen listed", async () => {
  const { objects, kept } = await makeTemplate();
  const storage = new ForgetfulStorage();
  for (const [name, bytes] of objects) await storage.put(name, bytes, signal);
  const repo = await openTestRepository(storage);
  storage.forgotten = `snapshots/${kept}`;
  await assert.rejects(prune(repo), (error) => isBackupError(error, "storage-unavailable"));
  assert.deepEqual(await objectsOf(storage), objects);
  await prune(repo);
  await assertSound(repo);
});

test("prune() waits for a backup that runs, and a lock that is lost ends it", async () => {
  const { objects } = await makeTemplate();
  const { repo } = await openCopy(objects);
  const { acquireLock } = await import("../../locks/acquire-lock.ts");
  const other = { ...repo, machine: new TestMachine().process(2) };
  await using _lock = await acquireLock(other, { ...noWait, exclusive: false }, signal);
  await assert.rejects(prune(repo), (error) => isBackupError(error, "locked"));
});

/** Interruptions of which the unit tests try one. */
const few = 5;

test("prune() may be cut short at any storage call: backups restore in full, and the next prune ends the job", async () => {
  const { objects, kept } = await makeTemplate();
  const machines = { current: new TestMachine() };
  const expected = new Map([[kept, contentOf(second)]]);
  let finished = 0;
  const { tried } = await sweepFaults({
    every: everyFew(few),
    open: async () => {
      machines.current = new TestMachine();
      return await storageOf(objects);
    },
    scenario: async (storage) => {
      const repo = await openTestRepository(storage, { machine: machines.current.process(666) });
      await prune(repo);
    },
    check: async ({ storage }) => {
      machines.current.kill(666);
      const repo = await openTestRepository(storage, { machine: machines.current.process(1) });
      assert.deepEqual(await restoreAll(repo), expected);
      await prune(repo);
      assert.deepEqual(await restoreAll(repo), expected);
      await assertSound(repo);
      const { index } = await loadIndex(repo, signal);
      assert.equal((await listObjects(repo, "data", signal)).length, index.packCount);
      finished++;
    },
  });
  assert.ok(tried > fewOf(80, few), `only ${tried} faults were tried`);
  assert.equal(finished, tried);
});

test("the sweep finds a prune that removes packs before the new index is there", async () => {
  const { objects, kept } = await makeTemplate();
  const expected = new Map([[kept, contentOf(second)]]);
  const sweep = sweepFaults({
    open: () => storageOf(objects),
    scenario: async (storage) =>
      void (await prune(await openTestRepository(packsRemovedBeforeIndex(storage)))),
    check: async ({ storage }) =>
      assert.deepEqual(await restoreAll(await openTestRepository(storage)), expected),
  });
  await assert.rejects(sweep, /The check failed after a fault/);
});
