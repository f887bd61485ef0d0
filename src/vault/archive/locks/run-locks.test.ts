import assert from "node:assert/strict";
import { test } from "node:test";
import type { Clock } from "../../../domain/clock.ts";
import { silentObserver } from "../../../domain/progress.ts";
import { MemoryStorage } from "../../../storage/memory-storage.ts";
import type { Storage } from "../../../storage/storage.ts";
import { FaultyStorage, faultModesOf } from "../../../testing/faulty-storage.ts";
import { noonMs, noWait, rejectsWith, signal, TestMachine } from "../../../testing/vault-probe.ts";
import { runObjectName } from "./run-document.ts";
import { RunLocks } from "./run-locks.ts";
import { readRuns } from "../bytes/runs.ts";
import { TestClock } from "../../../testing/test-clock.ts";

const minuteMs = 60_000;
const stamp = "20240601_120000";

function locksOf(storage: Storage, clock: Clock, pid = 1, machines = new TestMachine()): RunLocks {
  const machine = machines.process(pid);
  return new RunLocks({
    storage,
    clock,
    machine,
    toolVersion: "test",
    putReserved: storage.put.bind(storage),
  });
}

async function lockNames(storage: Storage): Promise<string[]> {
  return (await Array.fromAsync(storage.list(".vertex/locks/", signal), (object) => object.name)).sort();
}

const create = { type: "full", startedAtMs: noonMs } as const;

test("acquireForCreate() gives each of many runs of one second a stamp of its own", async () => {
  const [storage, clock] = [new MemoryStorage(), new TestClock()];
  const locks = await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      locksOf(storage, clock, i + 1).acquireForCreate(
        { ...create, type: i % 2 === 0 ? "full" : "database" },
        noWait,
        signal,
      ),
    ),
  );
  const stamps = locks.map((lock) => lock.stamp);
  assert.equal(new Set(stamps).size, 20);
  assert.ok(stamps.includes(stamp) && stamps.includes(`${stamp}-20`));
  for (const lock of locks) assert.equal(await lock.release(), "");
  assert.deepEqual(await lockNames(storage), []);
});

test("acquireForCreate() passes over a stamp under which any file lies, whoever made it", async () => {
  for (const name of [
    `database/db_backup_${stamp}.db`,
    `storage/storage_backup_${stamp}.tar.gz`,
    `full/full_backup_${stamp}.json`,
  ]) {
    const storage = new MemoryStorage();
    await storage.put(name, Buffer.from("x"), signal);
    const lock = await locksOf(storage, new TestClock()).acquireForCreate(create, noWait, signal);
    assert.equal(lock.stamp, `${stamp}-2`);
    await lock.release();
  }
});

test("a lock names who holds it in the error of whoever waits in vain", async () => {
  const [storage, clock] = [new MemoryStorage(), new TestClock()];
  const held = await locksOf(storage, clock, 7).acquireExclusive("remove", noWait, signal);
  await assert.rejects(
    locksOf(storage, clock).acquireForHold(noWait, signal),
    /Cannot lock memory: process 7 on probe has been removing backups since 2024-06-01T12:00:00/,
  );
  await held.lock.release();
});

test("a wait says once whom it waits for", async () => {
  const storage = new MemoryStorage();
  const clock: Clock = { now: () => noonMs, elapsed: () => performance.now() };
  const held = await locksOf(storage, clock, 7).acquireForHold(noWait, signal);
  const warnings: string[] = [];
  const observer = { ...silentObserver, warning: (message: string) => warnings.push(message) };
  const waiting = locksOf(storage, clock).acquireExclusive("remove", { lockWaitMs: 1_500, observer }, signal);
  await rejectsWith(waiting, "locked");
  assert.equal(warnings.length, 1);
  assert.match(warnings[0] ?? "", /Waiting for memory: process 7 on probe has been reading backups/);
  await held.release();
  assert.deepEqual(await lockNames(storage), []);
});

test("a wait ends with the abort itself, and leaves no lock", async () => {
  const [storage, clock] = [new MemoryStorage(), new TestClock()];
  const held = await locksOf(storage, clock, 7).acquireExclusive("remove", noWait, signal);
  const aborting = new AbortController();
  const patience = { lockWaitMs: 60 * minuteMs, observer: silentObserver };
  const waiting = [
    locksOf(storage, clock).acquireForHold(patience, aborting.signal),
    locksOf(storage, clock).acquireForCreate(create, patience, aborting.signal),
    locksOf(storage, clock).acquireExclusive("remove", patience, aborting.signal),
  ];
  setTimeout(() => aborting.abort(), 30);
  for (const one of waiting) await assert.rejects(one, { name: "AbortError" });
  await held.lock.release();
  assert.deepEqual(await lockNames(storage), []);
});

test("a lock of an unknown machine counts until it was silent for half an hour by the storage's clock", async () => {
  const clock = new TestClock();
  const storage = new MemoryStorage(clock);
  const stranger = { owner: { host: "far", bootId: "other", pid: 1, pidNamespace: "x", startedTicks: "1" } };
  const far = new RunLocks({
    storage,
    clock,
    machine: { ...stranger, startTicksOf: () => undefined },
    toolVersion: "test",
    putReserved: storage.put.bind(storage),
  });
  const held = await far.acquireForHold(noWait, signal);
  // A host whose own clock is years off judges no differently.
  const here = locksOf(storage, { now: () => noonMs * 2, elapsed: () => clock.ms });
  clock.ms += 29 * minuteMs;
  await rejectsWith(here.acquireExclusive("remove", noWait, signal), "locked");
  clock.ms += 2 * minuteMs;
  const { lock, gone } = await here.acquireExclusive("remove", noWait, signal);
  assert.deepEqual(
    gone.map((run) => run.document?.owner.host),
    ["far"],
  );
  await lock.release();
  await held.release();
});

test("a lock that is refreshed counts for as long as it is, and leaves one object more at most", async () => {
  const clock = new TestClock();
  const storage = new MemoryStorage(clock);
  const held = await locksOf(storage, clock, 7).acquireForCreate(create, noWait, signal);
  for (let i = 0; i < 12; i++) {
    clock.ms += 5 * minuteMs;
    await held.refresh(signal);
    await rejectsWith(locksOf(storage, clock).acquireExclusive("remove", noWait, signal), "locked");
    assert.deepEqual(await lockNames(storage), [runObjectName(stamp, i + 1), runObjectName(stamp, 0)].sort());
  }
  const [run] = await readRuns(storage, signal);
  assert.equal(run?.document?.reserves[0], `full_backup_${stamp}`);
  await held.release();
  assert.deepEqual(await lockNames(storage), []);
});

test("assertHeld() gives up before others may, and refreshes when it is time", async () => {
  const clock = new TestClock();
  const storage = new MemoryStorage(clock);
  const held = await locksOf(storage, clock, 7).acquireForCreate(create, noWait, signal);
  clock.ms += 11 * minuteMs;
  await held.assertHeld(signal);
  assert.equal((await lockNames(storage)).length, 2, "it was refreshed");
  clock.ms += 26 * minuteMs;
  await rejectsWith(held.assertHeld(signal), "locked");
  await rejectsWith(held.assertHeld(signal), "locked");
  await held.release();
});

test("assertHeld() notices that somebody removed the lock", async () => {
  const clock = new TestClock();
  const storage = new MemoryStorage(clock);
  const held = await locksOf(storage, clock, 7).acquireForCreate(create, noWait, signal);
  await storage.remove(held.names, signal);
  clock.ms += 11 * minuteMs;
  await rejectsWith(held.assertHeld(signal), "locked");
  await held.release();
});

test("a run that was silent for too long gives no further sign of life, because others have passed over it", async () => {
  const clock = new TestClock();
  const storage = new MemoryStorage(clock);
  const slept = await locksOf(storage, clock, 7).acquireExclusive("remove", noWait, signal);
  clock.ms += 31 * minuteMs;
  const holder = await locksOf(storage, clock).acquireForHold(noWait, signal);
  // It wakes up. Its timer fires first, and then it goes on with a plan from before.
  await rejectsWith(slept.lock.refresh(signal), "locked");
  await rejectsWith(slept.lock.reserve([`full_backup_${stamp}`], signal), "locked");
  await rejectsWith(slept.lock.assertHeld(signal), "locked");
  await holder.release();
  await slept.lock.release();
});

test("assertHeld() notices at once that somebody took the run for dead, however young it is", async () => {
  const clock = new TestClock();
  const storage = new MemoryStorage(clock);
  const held = await locksOf(storage, clock, 7).acquireForCreate(create, noWait, signal);
  await held.assertHeld(signal);
  await storage.remove(held.names, signal);
  await rejectsWith(held.assertHeld(signal), "locked");
  await held.release();
});

test("readRuns() counts a run whose document can never be got hold of", async () => {
  const storage = new MemoryStorage();
  await storage.put(runObjectName(stamp, 0), Buffer.from("{}"), signal);
  const lying = Object.assign(Object.create(storage) as Storage, {
    list: storage.list.bind(storage),
    get: () => storage.get("full/none.json", undefined, signal),
  });
  const runs = await readRuns(lying, signal);
  assert.deepEqual(
    runs.map(({ base, document }) => [base, document]),
    [[stamp, undefined]],
  );
});

test("an unreadable lock counts as exclusive until it is silent, and keeps its stamp reserved", async () => {
  const clock = new TestClock();
  const storage = new MemoryStorage(clock);
  await storage.put(runObjectName(stamp, 0), Buffer.from('{"format_version": 2}'), signal);
  await rejectsWith(locksOf(storage, clock).acquireForHold(noWait, signal), "locked");
  clock.ms += 31 * minuteMs;
  const lock = await locksOf(storage, clock).acquireForCreate(create, noWait, signal);
  assert.equal(lock.stamp, `${stamp}-2`);
  await lock.release();
});

test("acquiring, cut short anywhere, leaves no lock that the next acquiring does not cope with", async () => {
  const clock = new TestClock();
  let tried = 0;
  for (const operation of ["put", "get", "stat", "list", "remove"] as const) {
    for (let nth = 1; nth <= 6; nth++) {
      for (const mode of faultModesOf(operation)) {
        const storage = new MemoryStorage(clock);
        const faulty = new FaultyStorage(storage, { operation, nth, mode, crash: false });
        const locks = locksOf(faulty, clock);
        const lock = await locks.acquireForCreate(create, noWait, signal).catch(() => undefined);
        if (lock !== undefined) await locks.release(lock, noWait);
        if (!faulty.fired) continue;
        tried++;
        const { lock: exclusive } = await locks.acquireExclusive("remove", noWait, signal);
        await exclusive.release();
        assert.deepEqual(await lockNames(storage), [], `${mode} ${operation} ${nth}`);
      }
    }
  }
  assert.ok(tried > 12, `${tried} failures were tried`);
});
