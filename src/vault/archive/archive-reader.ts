/**
 * Reads a `tar.gz` through its contents file: lists without touching the
 * archive, fetches only the members it needs, and verifies what it hands out (I6).
 *
 * @module
 */

import type { EntryRoot, StoredEntry } from "../../domain/entry.ts";
import { BackupError } from "../../domain/error.ts";
import type { ByteRange, Storage } from "../../storage/storage.ts";
import type { Damage, EntryWithContent } from "../vault.ts";

/** A stored object as the backup's metadata describes it. */
export interface StoredArchiveObject {
  readonly name: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

export interface ArchiveReaderOptions {
  readonly storage: Storage;
  readonly archive: StoredArchiveObject;
  readonly contents: StoredArchiveObject;
  readonly roots: readonly EntryRoot[];
}

export interface ArchiveVerification {
  readonly bytesRead: number;
  readonly entriesChecked: number;
}

/** What both kinds of archive, ours and those without a contents file, can do. As in `BackupReader`. */
export interface ArchiveReading {
  entries(signal: AbortSignal): AsyncIterable<StoredEntry>;
  read(entry: StoredEntry, range: ByteRange | undefined, signal: AbortSignal): AsyncIterable<Uint8Array>;
  contents(select: (entry: StoredEntry) => boolean, signal: AbortSignal): AsyncIterable<EntryWithContent>;
  /** `progress` is told the bytes read so far. */
  verify(
    depth: "stored" | "content",
    report: (damage: Damage) => void,
    progress: (bytesRead: number) => void,
    signal: AbortSignal,
  ): Promise<ArchiveVerification>;
}

/** Opens an archive; reads nothing yet. */
export function openArchiveReader(options: ArchiveReaderOptions): ArchiveReader {
  return new ArchiveReader(options);
}

/** An archive with its contents file. Holds nothing open between calls. */
export class ArchiveReader implements ArchiveReading {
  readonly #options: ArchiveReaderOptions;

  constructor(options: ArchiveReaderOptions) {
    this.#options = options;
  }

  entries(_signal: AbortSignal): AsyncIterable<StoredEntry> {
    throw new BackupError("bug", `Cannot read ${this.#options.contents.name}: not there yet`);
  }

  read(_entry: StoredEntry, _range: ByteRange | undefined, _signal: AbortSignal): AsyncIterable<Uint8Array> {
    throw new BackupError("bug", "Cannot read: not there yet");
  }

  contents(_select: (entry: StoredEntry) => boolean, _signal: AbortSignal): AsyncIterable<EntryWithContent> {
    throw new BackupError("bug", "Cannot read: not there yet");
  }

  verify(
    _depth: "stored" | "content",
    _report: (damage: Damage) => void,
    _progress: (bytesRead: number) => void,
    _signal: AbortSignal,
  ): Promise<ArchiveVerification> {
    throw new BackupError("bug", "Cannot verify: not there yet");
  }
}
