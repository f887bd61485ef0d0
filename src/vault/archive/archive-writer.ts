/**
 * Writes the `tar.gz` of a backup and the contents file beside it, in one pass
 * over the source. It makes two objects in the storage and nothing else: names,
 * locks and metadata are the vault's business.
 *
 * @module
 */

import type { BackupCounts, Problem } from "../../domain/backup.ts";
import type { Clock } from "../../domain/clock.ts";
import type { Entry, EntryRoot } from "../../domain/entry.ts";
import { BackupError } from "../../domain/error.ts";
import type { Observer } from "../../domain/progress.ts";
import type { Storage } from "../../storage/storage.ts";
import type { AddedEntry } from "../vault.ts";

export interface ArchiveWriterOptions {
  readonly storage: Storage;
  /** Name of the `tar.gz` to make. */
  readonly archiveName: string;
  /** Name of the contents file to make. */
  readonly contentsName: string;
  readonly roots: readonly EntryRoot[];
  /** The archive to take unchanged files from. */
  readonly parent: { readonly archiveName: string; readonly contentsName: string } | undefined;
  /** Gzip level 1 to 9; 6 when undefined. */
  readonly level: number | undefined;
  readonly observer: Observer;
  /** The system's clock unless given. */
  readonly clock?: Clock;
  /** Names of owners for the tar headers; numbers only when left out. */
  readonly ownerNames?: OwnerNames;
}

/** Looks up names for the `uname` and `gname` fields; undefined where there is none. */
export interface OwnerNames {
  user(uid: number): string | undefined;
  group(gid: number): string | undefined;
}

export interface ArchiveObject {
  readonly sizeBytes: number;
  readonly sha256: string;
}

export interface ArchiveResult {
  readonly archive: ArchiveObject;
  readonly contents: ArchiveObject;
  /** `databases` is always 0. */
  readonly counts: BackupCounts;
  readonly sourceBytes: number;
  /** At most 1,000. */
  readonly problems: readonly Problem[];
  readonly problemCount: number;
  /** Some problem makes the backup incomplete. */
  readonly incomplete: boolean;
}

/** Starts both objects; nothing of them is visible before `finish` returns. */
export async function openArchiveWriter(
  options: ArchiveWriterOptions,
  signal: AbortSignal,
): Promise<ArchiveWriter> {
  signal.throwIfAborted();
  return new ArchiveWriter(options);
}

/** One archive being written. `settle` and `add` as in `BackupWriter`; calls do not overlap, but `settle` may run ahead of `add`. */
export class ArchiveWriter {
  readonly #options: ArchiveWriterOptions;

  constructor(options: ArchiveWriterOptions) {
    this.#options = options;
  }

  settle(_entries: readonly Entry[], _signal: AbortSignal): Promise<readonly boolean[]> {
    throw new BackupError("bug", `Cannot settle ${this.#options.archiveName}: not there yet`);
  }

  add(_entries: readonly AddedEntry[], _signal: AbortSignal): Promise<void> {
    throw new BackupError("bug", "Cannot add: not there yet");
  }

  /** Returns when both objects are durable. */
  finish(_signal: AbortSignal): Promise<ArchiveResult> {
    throw new BackupError("bug", "Cannot finish: not there yet");
  }

  /** Ends both writes; after a finished writer it does nothing, because the objects are the vault's then. */
  abort(): Promise<void> {
    throw new BackupError("bug", "Cannot abort: not there yet");
  }
}
