/**
 * A storage on a disk that was full when it was first written to: whatever is put
 * there has to fit into what is removed from then on. Imported by tests only.
 *
 * @module
 */

import { BackupError } from "../domain/error.ts";
import type { Storage } from "../storage/storage.ts";
import { signal } from "./vault-probe.ts";

/** Files take whole blocks. */
const blockBytes = 4096;

/** @param inner Small objects are put to it, as bytes */
export function fullStorage(inner: Storage): Storage {
  let capacity: number | undefined;
  return {
    location: inner.location,
    properties: inner.properties,
    put: async (name, content, by) => {
      capacity ??= await usedBytes(inner);
      const size = content instanceof Uint8Array ? content.byteLength : Number.POSITIVE_INFINITY;
      if ((await usedBytes(inner)) + blocks(size) > capacity) {
        throw new BackupError("no-space", `Cannot store ${name}: the disk is full`);
      }
      await inner.put(name, content, by);
    },
    get: (name, range, by) => inner.get(name, range, by),
    stat: (name, by) => inner.stat(name, by),
    list: (prefix, by) => inner.list(prefix, by),
    remove: async (names, by) => {
      capacity ??= await usedBytes(inner);
      await inner.remove(names, by);
    },
    freeBytes: async () => 0,
    cleanUnfinished: (by) => inner.cleanUnfinished(by),
    [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
  };
}

async function usedBytes(storage: Storage): Promise<number> {
  const objects = await Array.fromAsync(storage.list("", signal));
  return objects.reduce((sum, { sizeBytes }) => sum + blocks(sizeBytes), 0);
}

function blocks(sizeBytes: number): number {
  return Math.ceil(sizeBytes / blockBytes) * blockBytes;
}
