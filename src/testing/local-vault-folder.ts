/**
 * Real folders for tests of local storages, removed with them.
 *
 * @module
 */

import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type LocalSystem, openLocalStorage } from "../storage/local-storage.ts";
import type { Storage } from "../storage/storage.ts";
import { readThisMachine } from "../storage/this-machine.ts";

/** A fresh local storage whose folder is removed when it is disposed. */
export async function openTemporaryLocalStorage(system: Partial<LocalSystem> = {}): Promise<Storage> {
  const folder = await mkdtemp(join(tmpdir(), "vertex-storage-"));
  const storage = await openLocalStorage(
    join(folder, "vault"),
    { create: true, machine: readThisMachine() },
    system,
  );
  const dispose = storage[Symbol.asyncDispose].bind(storage);
  storage[Symbol.asyncDispose] = async () => {
    await dispose();
    await chmod(storage.location, 0o700);
    await rm(folder, { recursive: true, force: true });
  };
  return storage;
}
