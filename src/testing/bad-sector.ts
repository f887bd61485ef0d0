/**
 * A disk that cannot read one place of one file any more.
 *
 * @module
 */

import { BackupError } from "../domain/error.ts";
import type { Storage } from "../storage/storage.ts";
import { passOn } from "./sabotaged-storage.ts";

/** Where the disk is bad, and what the system calls it. */
export interface BadSector {
  readonly name: string;
  readonly at: number;
  /** Default EIO. */
  readonly code?: string;
}

/** Gives what comes before the bad place, then fails as the storage of a local folder does. */
export function withBadSector(inner: Storage, { name: bad, at, code = "EIO" }: BadSector): Storage {
  return {
    ...passOn(inner),
    async *get(name, range, signal) {
      const start = range?.offset ?? 0;
      const end = start + (range?.length ?? Number.POSITIVE_INFINITY);
      if (name !== bad || at < start || at >= end) {
        yield* inner.get(name, range, signal);
        return;
      }
      if (at > start) yield* inner.get(name, { offset: start, length: at - start }, signal);
      throw new BackupError("storage-unavailable", `Cannot read ${name}: ${code}`, { details: { code } });
    },
  };
}
