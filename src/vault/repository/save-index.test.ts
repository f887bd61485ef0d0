import assert from "node:assert/strict";
import { test } from "node:test";
import type { IndexedPack } from "../../format/restic/model.ts";
import { MemoryStorage } from "../../storage/memory-storage.ts";
import type { StorageContent } from "../../storage/storage.ts";
import { openTestRepository } from "../../testing/test-repository.ts";
import { noWait, rejectsWith, signal } from "../../testing/vault-probe.ts";
import { loadIndex } from "./load-index.ts";
import { acquireLock } from "./locks/acquire-lock.ts";
import type { RepositoryLock } from "./locks/repository-lock.ts";
import { listObjects } from "./objects.ts";
import type { Repository } from "./repository.ts";
import { saveIndexHeld } from "./save-index.ts";
import { TestClock } from "../../testing/test-clock.ts";

const minuteMs = 60_000;
const packs: readonly IndexedPack[] = [
  { id: "aa".repeat(32), blobs: [{ id: "bb".repeat(32), type: "data", offset: 0, length: 40 }] },
];

/** A storage during whose puts of an index something happens. */
class EventfulStorage extends MemoryStorage {
  event: (() => Promise<void>) | undefined;
  override async put(name: string, content: StorageContent, by: AbortSignal): Promise<void> {
    if (name.startsWith("index/")) await this.event?.();
    await super.put(name, content, by);
  }
}

interface Scene {
  readonly clock: TestClock;
  readonly storage: EventfulStorage;
  readonly repo: Repository;
  readonly lock: RepositoryLock;
}

async function openScene(): Promise<Scene> {
  const clock = new TestClock();
  const storage = new EventfulStorage(clock);
  const repo = await openTestRepository(storage, { clock });
  const lock = await acquireLock(repo, { ...noWait, exclusive: false }, signal);
  return { clock, storage, repo, lock };
}

function save({ repo, lock }: Scene): Promise<void> {
  const either = AbortSignal.any([signal, lock.lost]);
  return saveIndexHeld(repo, packs, (held) => lock.assertHeld(held), either);
}

test("saveIndexHeld() stores an index that names the packs", async () => {
  const scene = await openScene();
  await save(scene);
  assert.equal((await loadIndex(scene.repo, signal)).index.has("bb".repeat(32), "data"), true);
});

test("saveIndexHeld() stores nothing once the lock is lost", async () => {
  const scene = await openScene();
  scene.clock.ms += 40 * minuteMs;
  await rejectsWith(save(scene), "locked");
  assert.deepEqual(await listObjects(scene.repo, "index", signal), []);
});

test("saveIndexHeld() takes an index back during whose put others may have removed its packs", async () => {
  const scene = await openScene();
  scene.storage.event = async () => {
    scene.clock.ms += 40 * minuteMs;
  };
  await rejectsWith(save(scene), "locked");
  assert.deepEqual(await listObjects(scene.repo, "index", signal), []);
  const noticed = await openScene();
  noticed.storage.event = async () => {
    noticed.clock.ms += 40 * minuteMs;
    // The timer's refresh wakes up first.
    await rejectsWith(noticed.lock.refresh(signal), "locked");
  };
  await rejectsWith(save(noticed), "locked");
  assert.deepEqual(await listObjects(noticed.repo, "index", signal), []);
});
