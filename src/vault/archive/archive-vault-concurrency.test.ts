import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { MemoryStorage } from "../../storage/memory-storage.ts";
import type { ByteRange, Storage, StorageContent, StoredObject } from "../../storage/storage.ts";
import { openMemoryPlace, openTestVault } from "../../testing/archive-vault-places.ts";
import {
  beginOptions,
  makeImage,
  noonMs,
  noWait,
  readAllOf,
  signal,
  summary,
  TestMachine,
} from "../../testing/vault-probe.ts";
import type { Vault } from "../vault.ts";

/** Answers late, each call by another time, as a network would. Listings come in pieces, while things change. */
class SlowStorage extends MemoryStorage {
  #state: number;

  constructor(seed: number) {
    super();
    this.#state = seed;
  }

  override async put(name: string, content: StorageContent, by: AbortSignal): Promise<void> {
    await this.#pause();
    await super.put(name, content, by);
    await this.#pause();
  }

  override async *get(
    name: string,
    range: ByteRange | undefined,
    by: AbortSignal,
  ): AsyncIterable<Uint8Array> {
    await this.#pause();
    yield* super.get(name, range, by);
  }

  override async *list(prefix: string, by: AbortSignal): AsyncIterable<StoredObject> {
    for await (const object of super.list(prefix, by)) {
      await this.#pause();
      yield object;
    }
  }

  override async remove(names: readonly string[], by: AbortSignal): Promise<void> {
    for (const name of names) {
      await this.#pause();
      await super.remove([name], by);
    }
  }

  /** A fixed sequence for a seed: no pause, a turn of the loop, or a millisecond. */
  async #pause(): Promise<void> {
    this.#state = (Math.imul(this.#state, 1_103_515_245) + 12_345) >>> 0;
    const choice = (this.#state >>> 16) % 8;
    if (choice === 0) await sleep(1);
    else if (choice < 4) await new Promise(setImmediate);
  }
}

const patience = { ...noWait, lockWaitMs: 600_000 };

/** Makes, undoes and removes backups of its own, several times. Returns what it left. */
async function work(vault: Vault, folder: string, who: number): Promise<readonly string[]> {
  const mine: string[] = [];
  for (let round = 0; round < 4; round++) {
    const type = round % 2 === 0 ? "full" : "database";
    // All in the same second, so that stamps are fought for.
    const begun = beginOptions({ ...patience, type, roots: [], startedAtMs: noonMs });
    const writer = await vault.begin(begun, signal);
    await writer.addDatabase((await makeImage(vault, folder, { version: who * 100 + round })).image, signal);
    if (round === 1) {
      await writer.abort();
      continue;
    }
    mine.push((await writer.finish(summary(), signal)).id);
    if (round !== 2) continue;
    const gone = mine.shift() ?? "";
    await vault.exclusively((remover) => remover.remove([gone], signal), patience, signal);
    await vault.clean(signal);
  }
  return mine;
}

for (const seed of [1, 2, 3]) {
  test(`list() beside creates, undone creates, removals and cleaning shows whole backups only (seed ${seed})`, async () => {
    await using place = await openMemoryPlace();
    const storage: Storage = new SlowStorage(seed);
    const machines = new TestMachine();
    const vaults = await Promise.all([1, 2, 3].map((pid) => openTestVault(storage, machines.process(pid))));
    await using watcher = await openTestVault(storage, machines.process(9));
    const working = Promise.all(vaults.map((vault, i) => work(vault, place.folder, i + 1)));
    let done = false;
    const ended = working.finally(() => {
      done = true;
    });
    let looked = 0;
    while (!done) {
      for (const backup of await watcher.list(signal)) {
        assert.equal(backup.state, "good", `${backup.id}: ${backup.stateReason}`);
        assert.notEqual(backup.startedAtMs, 0);
      }
      looked++;
      // An empty storage answers without ever giving way to the others.
      await new Promise(setImmediate);
    }
    const left = (await ended).flat();
    assert.ok(looked > 3, `${looked} looks`);
    const listed = (await watcher.list(signal)).map((backup) => backup.id);
    assert.deepEqual(listed.toSorted(), left.toSorted());
    for (const id of listed) assert.equal((await readAllOf(watcher, id)).size, 1);
    const locks = await Array.fromAsync(storage.list(".vertex/locks/", signal));
    assert.deepEqual(locks, []);
  });
}
