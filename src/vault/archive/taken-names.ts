/**
 * Notes which names a storage refused because somebody else's object has them, so
 * that undoing a run removes nothing but its own (I8): the Python original may
 * write into the same folder at the same second.
 *
 * @module
 */

import { isBackupError } from "../../domain/error.ts";
import type { Storage } from "../../storage/storage.ts";

/** The same storage; adds to `taken` every name that a `put` was refused for. */
export function notingTaken(storage: Storage, taken: Set<string>): Storage {
  return {
    location: storage.location,
    properties: storage.properties,
    async put(name, content, signal) {
      try {
        await storage.put(name, content, signal);
      } catch (error) {
        if (isBackupError(error, "exists")) taken.add(name);
        throw error;
      }
    },
    get: (name, range, signal) => storage.get(name, range, signal),
    stat: (name, signal) => storage.stat(name, signal),
    list: (prefix, signal) => storage.list(prefix, signal),
    remove: (names, signal) => storage.remove(names, signal),
    freeBytes: (signal) => storage.freeBytes(signal),
    cleanUnfinished: (signal) => storage.cleanUnfinished(signal),
    [Symbol.asyncDispose]: () => storage[Symbol.asyncDispose](),
  };
}
