/**
 * Storages that change the order in which a repository is written: each stands for a
 * build from which one step of safety was taken away. Tests must find them all.
 *
 * @module
 */

import type { Storage, StorageContent } from "../storage/storage.ts";

/** All of a storage, to be changed in one place. */
export function passOn(inner: Storage): Storage {
  return {
    location: inner.location,
    properties: inner.properties,
    put: (name, content, signal) => inner.put(name, content, signal),
    get: (name, range, signal) => inner.get(name, range, signal),
    stat: (name, signal) => inner.stat(name, signal),
    list: (prefix, signal) => inner.list(prefix, signal),
    remove: (names, signal) => inner.remove(names, signal),
    freeBytes: (signal) => inner.freeBytes(signal),
    cleanUnfinished: (signal) => inner.cleanUnfinished(signal),
    [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
  };
}

/** Objects that are kept back while others, which should come later, are stored. */
class KeptBack {
  readonly #objects: [name: string, bytes: Uint8Array][] = [];

  /** False where the content cannot be kept. */
  take(name: string, content: StorageContent): boolean {
    if (!(content instanceof Uint8Array)) return false;
    this.#objects.push([name, Buffer.from(content)]);
    return true;
  }

  async storeIn(storage: Storage, signal: AbortSignal): Promise<void> {
    for (const [name, bytes] of this.#objects.splice(0)) await storage.put(name, bytes, signal);
  }
}

/** Objects of one folder are stored only after the next one of another folder. */
function after(early: string, late: string, inner: Storage): Storage {
  const kept = new KeptBack();
  return {
    ...passOn(inner),
    put: async (name, content, signal) => {
      if (name.startsWith(late) && kept.take(name, content)) return;
      await inner.put(name, content, signal);
      if (name.startsWith(early)) await kept.storeIn(inner, signal);
    },
  };
}

/** A backup is named before what it is made of is there. */
export function snapshotBeforePacks(inner: Storage): Storage {
  return after("snapshots/", "data/", inner);
}

/** A backup is named before anybody can find what it is made of. */
export function snapshotBeforeIndex(inner: Storage): Storage {
  return after("snapshots/", "index/", inner);
}

/** Packs are listed before they are there, so that others count on them. */
export function indexBeforePacks(inner: Storage): Storage {
  return after("index/", "data/", inner);
}

/** A prune removes packs before the index stops to name them. */
export function packsRemovedBeforeIndex(inner: Storage): Storage {
  const kept = new KeptBack();
  return {
    ...passOn(inner),
    put: async (name, content, signal) => {
      if (name.startsWith("index/") && kept.take(name, content)) return;
      await inner.put(name, content, signal);
    },
    remove: async (names, signal) => {
      await inner.remove(names, signal);
      if (names.some((name) => name.startsWith("data/"))) await kept.storeIn(inner, signal);
    },
  };
}
