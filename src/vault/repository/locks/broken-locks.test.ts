import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryStorage } from "../../../storage/memory-storage.ts";
import { openTestRepository } from "../../../testing/test-repository.ts";
import { noonMs, noWait, rejectsWith, signal } from "../../../testing/vault-probe.ts";
import type { Repository } from "../repository.ts";
import { acquireLock } from "./acquire-lock.ts";
import type { RepositoryLock } from "./repository-lock.ts";
import { TestClock } from "../../../testing/test-clock.ts";

const silenceMs = 31 * 60_000;
const shared = { ...noWait, exclusive: false };
const exclusive = { ...noWait, exclusive: true };

/** A storage on which something happens once, just before an object is put or removed. */
class EventfulStorage extends MemoryStorage {
  beforePut: (() => Promise<void>) | undefined;
  beforeRemove: (() => Promise<void>) | undefined;
  override async put(...args: Parameters<MemoryStorage["put"]>): Promise<void> {
    const event = this.beforePut;
    this.beforePut = undefined;
    await event?.();
    await super.put(...args);
  }
  override async remove(...args: Parameters<MemoryStorage["remove"]>): Promise<void> {
    const event = this.beforeRemove;
    this.beforeRemove = undefined;
    await event?.();
    await super.remove(...args);
  }
}

interface Scene {
  readonly clock: TestClock;
  readonly storage: EventfulStorage;
  readonly repo: Repository;
  /** The same repository on a virtual machine whose clocks stand still. */
  readonly paused: Repository;
}

async function openScene(): Promise<Scene> {
  const clock = new TestClock();
  const storage = new EventfulStorage(clock);
  const repo = await openTestRepository(storage, { clock });
  const owner = { host: "far", bootId: "other", pid: 1, pidNamespace: "x", startedTicks: "1" };
  const still = { now: () => noonMs, elapsed: () => noonMs };
  const paused = { ...repo, clock: still, machine: { owner, startTicksOf: () => undefined } };
  return { clock, storage, repo, paused };
}

test("a run that was paused with its clocks finds that others have passed over its lock", async () => {
  for (const [first, others] of [
    [shared, exclusive],
    [exclusive, shared],
  ] as const) {
    const { clock, repo, paused } = await openScene();
    const held = await acquireLock(paused, first, signal);
    clock.ms += silenceMs;
    await (await acquireLock(repo, others, signal)).release();
    await rejectsWith(held.assertHeld(signal), "locked");
    assert.equal(held.lost.aborted, true);
  }
});

test("a paused run whose lock is broken in the middle of its refresh has lost it", async () => {
  const { clock, storage, repo, paused } = await openScene();
  const held = await acquireLock(paused, shared, signal);
  clock.ms += silenceMs;
  let alone: RepositoryLock | undefined;
  storage.beforePut = async () => {
    alone = await acquireLock(repo, exclusive, signal);
  };
  await rejectsWith(held.refresh(signal), "locked");
  await alone?.assertHeld(signal);
});

test("acquireLock() backs out where a lock is refreshed while it is broken", async () => {
  const { clock, storage, repo, paused } = await openScene();
  const held = await acquireLock(paused, shared, signal);
  clock.ms += silenceMs;
  storage.beforeRemove = () => held.refresh(signal);
  await rejectsWith(acquireLock(repo, exclusive, signal), "locked");
  await held.assertHeld(signal);
});

test("acquireLock() does not wait for a storage that lists for long what was removed", async () => {
  const { clock, storage, repo, paused } = await openScene();
  await acquireLock(paused, shared, signal);
  clock.ms += silenceMs;
  storage.remove = () => Promise.resolve();
  await acquireLock(repo, exclusive, signal);
});
