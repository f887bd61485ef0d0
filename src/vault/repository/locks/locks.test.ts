import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import { parseLock } from "../../../format/restic/lock.ts";
import { MemoryStorage } from "../../../storage/memory-storage.ts";
import type { Storage } from "../../../storage/storage.ts";
import { FaultyStorage, faultModesOf } from "../../../testing/faulty-storage.ts";
import { openTestRepository } from "../../../testing/test-repository.ts";
import { noonMs, noWait, rejectsWith, signal, TestMachine } from "../../../testing/vault-probe.ts";
import { listObjects, loadObject, saveObject } from "../objects.ts";
import type { Repository } from "../repository.ts";
import { acquireLock } from "./acquire-lock.ts";
import { cleanLocks, listLocks, removeStaleLocks } from "./list-locks.ts";
import { TestClock } from "../../../testing/test-clock.ts";

const minuteMs = 60_000;
const shared = { ...noWait, exclusive: false };
const exclusive = { ...noWait, exclusive: true };
const patient = { lockWaitMs: 600_000 };

interface Scene {
  readonly clock: TestClock;
  readonly storage: MemoryStorage;
  readonly machines: TestMachine;
  /** The repository as process `pid` has it. */
  as(pid: number): Repository;
}

async function openScene(): Promise<Scene> {
  const clock = new TestClock();
  const storage = new MemoryStorage(clock);
  const machines = new TestMachine();
  const repo = await openTestRepository(storage, { clock, machine: machines.process(1) });
  return { clock, storage, machines, as: (pid) => ({ ...repo, machine: machines.process(pid) }) };
}

async function lockIds(repo: Pick<Repository, "storage">): Promise<readonly string[]> {
  return (await listObjects(repo, "locks", signal)).map(({ id }) => id);
}

/** What restic writes: nothing but host and pid says whose it is. */
function resticLock(repo: Repository, fields: { hostname?: string; pid?: number; exclusive?: boolean } = {}) {
  const time = new Date(repo.clock.now()).toISOString();
  const said = { time, exclusive: false, hostname: "probe", username: "root", pid: 4711, ...fields };
  return saveObject(repo, "locks", Buffer.from(JSON.stringify(said)), signal);
}

test("acquireLock() lets shared locks be side by side, and an exclusive one be alone", async () => {
  const { as } = await openScene();
  const one = await acquireLock(as(1), shared, signal);
  const two = await acquireLock(as(2), shared, signal);
  await rejectsWith(acquireLock(as(3), exclusive, signal), "locked");
  await one.release();
  await rejectsWith(acquireLock(as(3), exclusive, signal), "locked");
  await two.release();
  const alone = await acquireLock(as(3), exclusive, signal);
  await rejectsWith(acquireLock(as(1), shared, signal), "locked");
  await rejectsWith(acquireLock(as(2), exclusive, signal), "locked");
  assert.equal((await lockIds(as(1))).length, 1, "who was refused took its lock back");
  await alone.release();
  await alone.release();
  assert.deepEqual(await lockIds(as(1)), []);
});

test("acquireLock() writes what restic reads, and who we are besides", async () => {
  const { as } = await openScene();
  await using lock = await acquireLock(as(7), exclusive, signal);
  const json = await loadObject(as(1), "locks", lock.ids[0] ?? "", signal);
  assert.deepEqual(Object.keys(JSON.parse(json.toString())).slice(0, 5), [
    "time",
    "exclusive",
    "hostname",
    "username",
    "pid",
  ]);
  const document = parseLock(json);
  assert.deepEqual(
    [document.exclusive, document.hostname, document.pid, document.timeMs],
    [true, "probe", 7, noonMs],
  );
  assert.deepEqual(document.owner, { bootId: "boot", pidNamespace: "pid:1", startedTicks: "7" });
});

test("acquireLock() waits for others, and gets the lock when they end", async () => {
  const { storage } = await openScene();
  const repo = await openTestRepository(storage);
  const held = await acquireLock(repo, shared, signal);
  const waiting = acquireLock(repo, { ...exclusive, ...patient }, signal);
  await sleep(50);
  assert.equal(
    (await lockIds(repo)).length,
    1,
    "who waits leaves no lock that would keep restic from working",
  );
  await held.release();
  await (await waiting).release();
});

test("acquireLock() stops waiting with the abort itself, and leaves no lock", async () => {
  const { storage } = await openScene();
  const repo = await openTestRepository(storage);
  const held = await acquireLock(repo, exclusive, signal);
  const aborting = new AbortController();
  const waiting = [shared, exclusive].map((how) =>
    acquireLock(repo, { ...how, ...patient }, aborting.signal),
  );
  setTimeout(() => aborting.abort(), 30);
  for (const one of waiting) await assert.rejects(one, { name: "AbortError" });
  await held.release();
  assert.deepEqual(await lockIds(repo), []);
});

test("acquireLock() breaks a lock in its way whose process is provably gone, at once", async () => {
  const { as, machines } = await openScene();
  await acquireLock(as(666), exclusive, signal);
  await rejectsWith(acquireLock(as(1), shared, signal), "locked");
  machines.kill(666);
  await (await acquireLock(as(1), shared, signal)).release();
  assert.deepEqual(await lockIds(as(1)), []);
});

test("acquireLock() leaves locks alone that are not in its way; cleanLocks() removes those of the dead", async () => {
  const { as, machines } = await openScene();
  await acquireLock(as(666), shared, signal);
  machines.kill(666);
  await (await acquireLock(as(1), shared, signal)).release();
  assert.equal((await lockIds(as(1))).length, 1);
  assert.equal(await cleanLocks(as(1), signal), 1);
  assert.deepEqual(await lockIds(as(1)), []);
});

test("acquireLock() takes an owner on another machine for gone after 30 minutes of silence, not before", async () => {
  const { as, clock } = await openScene();
  const far = { host: "far", bootId: "other", pid: 1, pidNamespace: "x", startedTicks: "1" };
  const owner = { ...as(1), machine: { owner: far, startTicksOf: () => undefined } };
  await acquireLock(owner, shared, signal);
  clock.ms += 29 * minuteMs;
  await rejectsWith(acquireLock(as(1), exclusive, signal), "locked");
  assert.equal(await cleanLocks(as(1), signal), 0);
  clock.ms += 2 * minuteMs;
  assert.equal(await cleanLocks(as(1), signal), 1);
});

test("acquireLock() judges silence by the storage's clock, not by its own", async () => {
  const { as, machines } = await openScene();
  await acquireLock(as(2), shared, signal);
  const years = { now: () => noonMs * 2, elapsed: () => 0 };
  const here = { ...as(1), clock: years };
  // The first look at an exclusive lock has only the own clock; the second has the storage's.
  await rejectsWith(acquireLock(here, exclusive, signal), "locked");
  assert.equal((await lockIds(here)).length, 1);
  machines.kill(2);
  await (await acquireLock(here, exclusive, signal)).release();
});

test("a lock of restic whose process is missing counts as stale to who asks, and to others once it would have been refreshed", async () => {
  const { as, clock, machines } = await openScene();
  machines.kill(4711);
  const id = await resticLock(as(1), { exclusive: true });
  await rejectsWith(acquireLock(as(1), shared, signal), "locked");
  assert.equal(await cleanLocks(as(1), signal), 0);
  clock.ms += 8 * minuteMs;
  await (await acquireLock(as(1), exclusive, signal)).release();
  assert.deepEqual(await lockIds(as(1)), []);
  await resticLock(as(1), { hostname: "elsewhere" });
  const other = await resticLock(as(1), { pid: 1 });
  const dead = await resticLock(as(1), { exclusive: true });
  const removed = await removeStaleLocks(as(1), { all: false }, signal);
  assert.deepEqual(
    removed.map((lock) => [lock.id, lock.exclusive, lock.host, lock.username, lock.pid]),
    [[dead, true, "probe", "root", 4711]],
  );
  assert.ok((await listLocks(as(1), signal)).some((lock) => lock.id === other));
  assert.equal((await removeStaleLocks(as(1), { all: true }, signal)).length, 2);
  assert.deepEqual(await lockIds(as(1)), []);
  assert.notEqual(id, dead);
});

test("acquireLock() respects a lock of restic's process that is alive, or somewhere else", async () => {
  for (const fields of [{ pid: 1 }, { hostname: "elsewhere" }]) {
    const { as, clock } = await openScene();
    await resticLock(as(1), fields);
    clock.ms += 29 * minuteMs;
    await rejectsWith(acquireLock(as(1), exclusive, signal), "locked");
    await (await acquireLock(as(1), shared, signal)).release();
    clock.ms += 2 * minuteMs;
    await (await acquireLock(as(1), exclusive, signal)).release();
  }
});

test("acquireLock() takes a lock that is half written for anything, until it was silent for 30 minutes", async () => {
  const { as, clock, storage } = await openScene();
  await storage.put(`locks/${"ab".repeat(32)}`, Buffer.from("half a loc"), signal);
  await rejectsWith(acquireLock(as(1), shared, signal), "locked");
  await rejectsWith(acquireLock(as(1), exclusive, signal), "locked");
  const [listed] = await listLocks(as(1), signal);
  assert.deepEqual([listed?.exclusive, listed?.host, listed?.pid], [true, "", 0]);
  clock.ms += 31 * minuteMs;
  await (await acquireLock(as(1), shared, signal)).release();
  assert.deepEqual(await lockIds(as(1)), []);
});

test("acquireLock() reads a lock again that was being written", async () => {
  const { as, storage } = await openScene();
  const id = await resticLock(as(1));
  let reads = 0;
  const writing: Storage = Object.assign(Object.create(storage) as Storage, {
    list: storage.list.bind(storage),
    async *get(name: string, range: undefined, by: AbortSignal) {
      const isFirst = name === `locks/${id}` && reads++ === 0;
      for await (const chunk of storage.get(name, range, by)) yield isFirst ? chunk.subarray(0, 20) : chunk;
    },
  });
  for (const method of ["put", "stat", "remove"] as const) {
    Object.assign(writing, { [method]: storage[method].bind(storage) });
  }
  await (await acquireLock({ ...as(1), storage: writing }, shared, signal)).release();
  assert.equal(reads, 2);
});

test("acquireLock() passes over an empty file, whose owner has not begun to look for others", async () => {
  const { as, storage } = await openScene();
  await storage.put(`locks/${"ab".repeat(32)}`, Buffer.alloc(0), signal);
  await (await acquireLock(as(1), exclusive, signal)).release();
});

test("a lock that is refreshed is never silent, and leaves one file at a time", async () => {
  const { as, clock } = await openScene();
  const held = await acquireLock(as(7), shared, signal);
  const first = held.ids;
  for (let i = 0; i < 12; i++) {
    clock.ms += 5 * minuteMs;
    await held.refresh(signal);
    await rejectsWith(acquireLock(as(1), exclusive, signal), "locked");
    assert.deepEqual(await lockIds(as(1)), held.ids);
  }
  assert.notDeepEqual(held.ids, first);
  await held.assertHeld(signal);
  await held.release();
  assert.deepEqual(await lockIds(as(1)), []);
});

test("assertHeld() refreshes a lock that grew old, and gives up on one that others may pass over", async () => {
  const { as, clock } = await openScene();
  const held = await acquireLock(as(7), exclusive, signal);
  const [first] = held.ids;
  clock.ms += 11 * minuteMs;
  await held.assertHeld(signal);
  assert.notEqual(held.ids[0], first);
  assert.equal(held.lost.aborted, false);
  clock.ms += 23 * minuteMs;
  await rejectsWith(held.assertHeld(signal), "locked");
  await rejectsWith(held.refresh(signal), "locked");
  assert.equal(held.lost.aborted, true);
  await held.release();
});

test("assertHeld() notices that somebody removed the lock", async () => {
  const { as } = await openScene();
  const held = await acquireLock(as(7), exclusive, signal);
  await held.assertHeld(signal);
  await removeStaleLocks(as(1), { all: true }, signal);
  await rejectsWith(held.assertHeld(signal), "locked");
  assert.equal(held.lost.aborted, true);
  await held.release();
});

test("a process that slept through its silence changes nothing after it woke up", async () => {
  const { as, clock } = await openScene();
  const slept = await acquireLock(as(7), exclusive, signal);
  clock.ms += 31 * minuteMs;
  const holder = await acquireLock(as(1), shared, signal);
  // Its timer fires first, and then it goes on with a plan from before.
  await rejectsWith(slept.refresh(signal), "locked");
  await rejectsWith(slept.assertHeld(signal), "locked");
  await holder.release();
  await slept.release();
});

/** Shows locks only a while after they were put, as some object stores do. */
class LateListing extends MemoryStorage {
  override readonly properties = { ...new MemoryStorage().properties, consistentList: false };
  readonly #lateMs: number;

  constructor(lateMs: number) {
    super();
    this.#lateMs = lateMs;
  }

  override async *list(prefix: string, by: AbortSignal): ReturnType<MemoryStorage["list"]> {
    for await (const object of super.list(prefix, by)) {
      if (!prefix.startsWith("locks") || Date.now() - object.modifiedAtMs >= this.#lateMs) yield object;
    }
  }
}

/** The most that were inside at once, of three who want to be alone. Each stays so long, or until all are in. */
async function crowd(storage: Storage, stayMs = 5): Promise<number> {
  const repo = await openTestRepository(storage);
  const all = Promise.withResolvers<void>();
  let inside = 0;
  let most = 0;
  const work = async (): Promise<void> => {
    const lock = await acquireLock(repo, { ...exclusive, ...patient }, signal).catch(() => undefined);
    most = Math.max(most, ++inside);
    if (most === 3) all.resolve();
    await Promise.race([all.promise, sleep(stayMs, undefined, { ref: false })]);
    inside--;
    await lock?.release();
  };
  await Promise.all([work(), work(), work()]);
  return most;
}

test("acquireLock() never lets two in who want to be alone", async () => {
  assert.equal(await crowd(new MemoryStorage()), 1);
});

test("acquireLock() waits as restic does where a listing may miss what was just put", async () => {
  assert.equal(await crowd(new LateListing(100)), 1);
  // Without that such a storage lets them in together: the check above can fail. It is as late as any machine is busy.
  const careless = Object.assign(new LateListing(600_000), { properties: new MemoryStorage().properties });
  assert.equal(await crowd(careless, 60_000), 3);
});

test("a failed acquireLock() or release() keeps nobody from the vault for longer than the failure", async () => {
  let tried = 0;
  for (const operation of ["put", "get", "stat", "list", "remove"] as const) {
    for (let nth = 1; nth <= 5; nth++) {
      for (const mode of faultModesOf(operation)) {
        const { as, storage } = await openScene();
        await resticLock(as(1));
        const faulty = new FaultyStorage(storage, { operation, nth, mode, crash: false });
        const repo = { ...as(1), storage: faulty };
        const lock = await acquireLock(repo, shared, signal).catch(() => undefined);
        await lock?.release();
        if (!faulty.fired) continue;
        tried++;
        // The same process goes on, as a server does.
        await (await acquireLock(repo, shared, signal)).release();
        assert.equal((await lockIds(as(1))).length, 1, `${mode} ${operation} ${nth}`);
      }
    }
  }
  assert.ok(tried >= 12, `${tried} failures were tried`);
});
