/**
 * Says what a restore would change in a folder, from attributes alone: both
 * sides are in the order of entries, so they are merged without holding either.
 *
 * @module
 */

import type { ByteString } from "../../domain/byte-string.ts";
import { compareEntryPaths, type Entry, type EntryAttributes, type StoredEntry } from "../../domain/entry.ts";

export interface TreeDifference {
  /** Of the entry inside its root. */
  readonly path: ByteString;
  /** What the restore would do to it. */
  readonly change: "add" | "change" | "remove" | "none";
  readonly kind: EntryAttributes["kind"];
  /** True where what is lost was written after the backup. Only ever true for `change` and `remove`. */
  readonly newer: boolean;
  /** Bytes the restore would write. */
  readonly sizeBytes: number;
}

/**
 * Compares a root of a backup with what is in its place now, entry by entry, in order.
 *
 * Files with the same kind, size, mode and time (to the microsecond) count as the same;
 * contents are not read. Databases stored from a capture always count as changed, because
 * a live one changes while its file does not.
 *
 * @param stored The entries of one root.
 * @param present The folder, walked without excludes; nothing where there is none.
 */
export async function* compareTree(
  stored: AsyncIterable<StoredEntry>,
  present: AsyncIterable<readonly Entry[]>,
  startedAtMs: number,
  signal: AbortSignal,
): AsyncGenerator<TreeDifference, void, undefined> {
  const startedAtNs = BigInt(Math.floor(startedAtMs)) * 1_000_000n;
  const there = flatten(present)[Symbol.asyncIterator]();
  try {
    let now = await there.next();
    for await (const then of stored) {
      signal.throwIfAborted();
      while (!now.done && compareEntryPaths(now.value.path, then.path) < 0) {
        yield removal(now.value, startedAtNs);
        now = await there.next();
      }
      if (now.done || now.value.path !== then.path) yield addition(then);
      else {
        yield comparison(then, now.value, startedAtNs);
        now = await there.next();
      }
    }
    for (; !now.done; now = await there.next()) {
      signal.throwIfAborted();
      yield removal(now.value, startedAtNs);
    }
  } finally {
    await there.return?.();
  }
}

async function* flatten(batches: AsyncIterable<readonly Entry[]>): AsyncGenerator<Entry, void, undefined> {
  for await (const batch of batches) yield* batch;
}

function addition({ path, kind, sizeBytes }: StoredEntry): TreeDifference {
  return { path, change: "add", kind, newer: false, sizeBytes };
}

function removal(present: Entry, startedAtNs: bigint): TreeDifference {
  const { path, kind } = present;
  return { path, change: "remove", kind, newer: isNewer(present, startedAtNs), sizeBytes: 0 };
}

function comparison(stored: StoredEntry, present: Entry, startedAtNs: bigint): TreeDifference {
  const { path, kind, sizeBytes } = stored;
  if (isSame(stored, present)) return { path, change: "none", kind, newer: false, sizeBytes };
  return { path, change: "change", kind, newer: isNewer(present, startedAtNs), sizeBytes };
}

/** A directory's time says only that something in it came or went, which is told by itself. */
function isNewer(present: Entry, startedAtNs: bigint): boolean {
  return present.kind !== "directory" && present.mtimeNs > startedAtNs;
}

/** Whether two entries at one path look the same. Owners are left out: not everybody can restore them. */
function isSame(stored: StoredEntry, present: Entry): boolean {
  if (stored.kind !== present.kind) return false;
  if (stored.kind === "symlink") return stored.linkTarget === present.linkTarget;
  if (stored.mode !== present.mode) return false;
  if (stored.kind === "directory") return true;
  if (isImage(stored)) return false;
  if (microseconds(stored.mtimeNs) !== microseconds(present.mtimeNs)) return false;
  // A further name has no size of its own, and which name is the first may have changed.
  const isFurtherName = stored.hardLinkTo !== undefined || present.hardLinkTo !== undefined;
  return isFurtherName || stored.sizeBytes === present.sizeBytes;
}

/** Stored from a capture: such an entry has no change time, but the inode of the live file. */
function isImage(stored: StoredEntry): boolean {
  return stored.ctimeNs === 0n && stored.inode !== 0n;
}

function microseconds(timeNs: bigint): bigint {
  return timeNs >= 0n ? timeNs / 1000n : -((999n - timeNs) / 1000n);
}
