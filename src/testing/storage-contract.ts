/**
 * What every storage driver must do, as checks with names that read as the
 * specification. Each check gets an empty storage of its own.
 *
 * @module
 */

import { test } from "node:test";
import type { Storage } from "../storage/storage.ts";
import type { StorageCheck } from "./storage-probe.ts";
import { storageReadChecks } from "./storage-read-checks.ts";
import { storageWriteChecks } from "./storage-write-checks.ts";

/** Every law, in the order of the interface. */
export const storageChecks: readonly StorageCheck[] = [...storageWriteChecks, ...storageReadChecks];

/** Registers every check for a driver. `open` gives a fresh, empty storage each time, which cleans up when disposed. */
export function testStorageContract(name: string, open: () => Promise<Storage>): void {
  for (const check of storageChecks) {
    test(`${name} ${check.name}`, async () => {
      await using storage = await open();
      await check.run(storage);
    });
  }
}
