/**
 * Reads a `tar.gz` through its contents file: lists without touching the
 * archive, fetches only the members it needs, and verifies what it hands out (I6).
 *
 * @module
 */

import { byteStringToDisplay } from "../../../domain/byte-string.ts";
import type { EntryRoot, StoredEntry } from "../../../domain/entry.ts";
import { BackupError } from "../../../domain/error.ts";
import type { ByteRange, Storage } from "../../../storage/storage.ts";
import type { Damage, EntryWithContent } from "../../vault.ts";
import { ContentsRuns, contentsSource } from "./archive-reader-contents.ts";
import type { LocatedEntry } from "./archive-reader-entry.ts";
import { entriesOf, locateEntry, readLocated } from "./archive-reader-entry.ts";
import { ParsedRuns } from "./archive-reader-lines.ts";
import { selectRuns } from "./archive-reader-runs.ts";
import { ArchiveVerifier } from "./archive-reader-verify.ts";
import { MemberDecoder } from "./member-stream.ts";

/** A stored object as the backup's metadata describes it. */
interface StoredArchiveObject {
  readonly name: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

export interface ArchiveReaderOptions {
  readonly storage: Pick<Storage, "get">;
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
  readonly #decoder = new MemberDecoder();
  /** Where the entry read last lies: ranges of one file are often asked for one after the other. */
  #located: LocatedEntry | undefined;

  constructor(options: ArchiveReaderOptions) {
    this.#options = options;
  }

  async *entries(signal: AbortSignal): AsyncGenerator<StoredEntry> {
    await using contents = this.#openContents(signal);
    for (let run = await contents.next(); run !== undefined; run = await contents.next()) {
      signal.throwIfAborted();
      for (const { entry } of run.entries) yield entry;
    }
  }

  async *read(
    entry: StoredEntry,
    range: ByteRange | undefined,
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array> {
    const located = await this.#locate(entry, signal);
    const { storage, archive } = this.#options;
    yield* readLocated(
      located,
      range,
      { storage, archiveName: archive.name, decoder: this.#decoder },
      signal,
    );
  }

  async *contents(
    select: (entry: StoredEntry) => boolean,
    signal: AbortSignal,
  ): AsyncGenerator<EntryWithContent> {
    await using contents = this.#openContents(signal);
    const { storage, archive } = this.#options;
    const reading = { storage, archiveName: archive.name, decoder: this.#decoder };
    for await (const selected of selectRuns(contents, select, reading, signal)) {
      yield* entriesOf(selected, signal);
    }
  }

  async verify(
    depth: "stored" | "content",
    report: (damage: Damage) => void,
    progress: (bytesRead: number) => void,
    signal: AbortSignal,
  ): Promise<ArchiveVerification> {
    const verification = new ArchiveVerifier({ ...this.#options, decoder: this.#decoder, report, progress });
    return await verification.run(depth, signal);
  }

  #openContents(signal: AbortSignal): ParsedRuns {
    return new ParsedRuns(contentsSource(this.#options), this.#options.roots, signal);
  }

  async #locate(entry: StoredEntry, signal: AbortSignal): Promise<LocatedEntry> {
    const located = this.#located;
    if (located?.entry.path === entry.path && located.entry.root === entry.root) return located;
    await using contents = new ContentsRuns(contentsSource(this.#options), signal);
    const found = await locateEntry(contents, entry, signal);
    if (found === undefined) {
      const { archive } = this.#options;
      const path = byteStringToDisplay(entry.path);
      throw new BackupError("not-found", `Cannot read ${entry.root}/${path}: it is not in ${archive.name}`);
    }
    this.#located = found;
    return found;
  }
}
