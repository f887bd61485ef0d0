/**
 * Stores entries in order: reads files, fills groups, writes large files as runs of
 * their own. What fails for one entry is reported and the rest goes on.
 *
 * @module
 */

import { hash } from "node:crypto";
import type { BackupCounts } from "../../../domain/backup.ts";
import type { ByteString } from "../../../domain/byte-string.ts";
import { asByteString, byteStringFromText } from "../../../domain/byte-string.ts";
import type { Clock } from "../../../domain/clock.ts";
import type { Entry, EntryRoot } from "../../../domain/entry.ts";
import { BufferPool } from "../../../encode/buffer-pool.ts";
import { memberRawBytesMax } from "../../../encode/gzip-member.ts";
import type { EntryFacts, RereadReason } from "../../../format/archive/contents-line.ts";
import { encodeEntryFacts, encodeStoredContent } from "../../../format/archive/contents-line.ts";
import type { TarMember } from "../../../format/archive/tar-header.ts";
import { tarNameBytesMax } from "../../../format/archive/tar-header.ts";
import type { OwnerNames } from "../../owner-names.ts";
import { EntryGroup } from "./archive-writer-group.ts";
import { storeLargeFile } from "./archive-writer-large-file.ts";
import type { ProblemLog } from "../../problem-log.ts";
import type { RunSink } from "./archive-writer-runs.ts";
import type { SmallFile, SmallFileRequest } from "./archive-writer-small-files.ts";
import { readSmallFiles, smallFileBytesMax } from "./archive-writer-small-files.ts";
import type { MemberFactory } from "./member-factory.ts";
import { SourceFileError } from "../../source-file.ts";

/** Entries read as one batch at most: bounds what is open and held when files are tiny. */
const batchEntriesMax = 512;
/** Kernels of our time stamp changes to 10 ms or better, but some file systems only to 2 s. */
const fineStampMs = 10;
const coarseStampMs = 2000;
const nanosecondsPerSecond = 1_000_000_000n;

export interface EntryStoreOptions {
  readonly sink: RunSink;
  readonly factory: MemberFactory;
  readonly problems: ProblemLog;
  readonly roots: readonly EntryRoot[];
  readonly clock: Clock;
  readonly ownerNames: OwnerNames | undefined;
  readonly progress: (bytes: number, items: number) => void;
}

/** Entries whose files are being read. */
export interface Batch {
  readonly entries: readonly Entry[];
  readonly files: Promise<readonly SmallFile[]>;
  readonly buffer: Buffer;
}

/** Stores entries one call after the other; only `startBatch` may run ahead. */
export class EntryStore {
  readonly #options: EntryStoreOptions;
  readonly #group: EntryGroup;
  readonly #buffers = new BufferPool(memberRawBytesMax);
  readonly #roots: ReadonlyMap<string, { readonly name: ByteString; readonly path: ByteString }>;
  /** Files that are not in the archive, so that further names of them do not point to nothing. */
  readonly #lost = new Set<string>();
  readonly #counts = { files: 0, directories: 0, symlinks: 0, unchangedFiles: 0 };
  #sourceBytes = 0;

  constructor(options: EntryStoreOptions) {
    this.#options = options;
    this.#group = new EntryGroup(options.sink, options.factory);
    this.#roots = new Map(
      options.roots.map(({ name, path }) => [
        name,
        { name: byteStringFromText(name), path: byteStringFromText(path) },
      ]),
    );
  }

  get counts(): BackupCounts {
    return { databases: 0, ...this.#counts };
  }

  get sourceBytes(): number {
    return this.#sourceBytes;
  }

  /** Raw bytes waiting in a group that is not full. */
  get groupBytes(): number {
    return this.#group.usedBytes;
  }

  /** Starts to read the files of a batch made by {@link planBatches}. */
  startBatch(entries: readonly Entry[], signal: AbortSignal): Batch {
    const buffer = this.#buffers.take();
    const requests: SmallFileRequest[] = [];
    let at = 0;
    for (const entry of entries) {
      if (entry.content === undefined) continue;
      requests.push({ entry, content: entry.content, at });
      at += entry.sizeBytes;
    }
    const files = readSmallFiles(requests, buffer, signal);
    // It may be awaited long after it failed.
    files.catch(() => undefined);
    return { entries, files, buffer };
  }

  async storeBatch(batch: Batch, signal: AbortSignal): Promise<void> {
    const files = await batch.files;
    let next = 0;
    for (const entry of batch.entries) {
      const file = entry.content === undefined ? undefined : files[next++];
      if (file === undefined) await this.#storeBare(entry, signal);
      else if (file.outcome === "too-large") await this.storeLarge(entry, signal);
      else if (file.outcome === "failed") this.#lose(entry, file.problem, file.message);
      else await this.#storeSmall(entry, file);
    }
    this.#buffers.give(batch.buffer);
  }

  /** Stores a file as a run of its own. */
  async storeLarge(entry: Entry, signal: AbortSignal): Promise<void> {
    if (entry.content === undefined || !this.#fits(entry)) return;
    await this.#group.close();
    const { sink, factory, progress } = this.#options;
    try {
      const { changed, sizeBytes } = await storeLargeFile(
        entry,
        entry.content,
        {
          sink,
          factory,
          header: (facts) => this.#tarMember(facts),
          line: (facts, content) => this.#fileLine(entry, facts, content),
          progress: (bytes) => progress(bytes, 0),
        },
        signal,
      );
      this.#countFile(sizeBytes);
      progress(0, 1);
      if (changed) this.#reportChanged(entry);
    } catch (error) {
      if (!(error instanceof SourceFileError)) throw error;
      this.#lose(entry, error.problem, error.message);
    }
  }

  /** Reads and stores entries that were meant to be taken from the parent. */
  async storeAnew(entries: readonly Entry[], signal: AbortSignal): Promise<void> {
    for (const part of planBatches(entries)) {
      if (isLarge(part[0]!)) await this.storeLarge(part[0]!, signal);
      else await this.storeBatch(this.startBatch(part, signal), signal);
    }
  }

  /** Ends the group, so that a run can follow. */
  async closeGroup(): Promise<void> {
    await this.#group.close();
  }

  /** Counts entries that came over from the parent. */
  countCopied(entries: readonly Entry[]): void {
    let bytes = 0;
    for (const entry of entries) {
      if (entry.content === undefined) this.#countBare(entry);
      else {
        bytes += entry.sizeBytes;
        this.#countFile(entry.sizeBytes);
        this.#counts.unchangedFiles++;
      }
    }
    this.#options.progress(bytes, entries.length);
  }

  /** Tells whether one of these is a further name of a file that is not in the archive. */
  pointsToLost(entries: readonly Entry[]): boolean {
    return this.#lost.size > 0 && entries.some((entry) => this.#isLost(entry));
  }

  async #storeBare(entry: Entry, signal: AbortSignal): Promise<void> {
    if (!this.#fits(entry)) return;
    if (this.#isLost(entry)) {
      await this.storeAnew([this.#withOwnContent(entry)], signal);
      return;
    }
    const empty = entry.kind === "file" && entry.hardLinkTo === undefined;
    await this.#group.add(this.#tarMember(entry), noBytes, (at) =>
      empty
        ? this.#fileLine(entry, entry, { sha256: emptySha256, at, changed: false })
        : encodeEntryFacts(entry),
    );
    this.#countBare(entry);
    this.#options.progress(0, 1);
  }

  async #storeSmall(entry: Entry, file: SmallFile & { outcome: "read" }): Promise<void> {
    if (!this.#fits(entry)) return;
    const { data, facts, changed } = file;
    const sha256 = hash("sha256", data, "hex");
    await this.#group.add(this.#tarMember(facts), data, (at) =>
      this.#fileLine(entry, facts, { sha256, at, changed }),
    );
    this.#countFile(data.length);
    this.#options.progress(data.length, 1);
    if (changed) this.#reportChanged(entry);
  }

  #fileLine(
    entry: Entry,
    facts: EntryFacts,
    content: { sha256: string; at: number; changed: boolean },
  ): string {
    const reread = this.#rereadReason(entry, facts, content.changed);
    const { sha256, at } = content;
    return encodeEntryFacts(facts) + encodeStoredContent({ sha256, at, ...(reread && { reread }) });
  }

  #rereadReason(entry: Entry, facts: EntryFacts, changed: boolean): RereadReason | undefined {
    if (entry.content?.from === "image") return "image";
    if (entry.content?.from === "stream") return "copied";
    if (changed) return "inconsistent";
    // A change right after the read could carry the very same time and size.
    const margin = facts.ctimeNs % nanosecondsPerSecond === 0n ? coarseStampMs : fineStampMs;
    const ageMs = this.#options.clock.now() - Number(facts.ctimeNs / 1_000_000n);
    return ageMs < margin ? "recent" : undefined;
  }

  #tarMember(facts: EntryFacts): TarMember {
    const { kind, mode, uid, gid, mtimeNs, linkTarget, hardLinkTo } = facts;
    const { ownerNames } = this.#options;
    const content = kind === "file" && hardLinkTo === undefined;
    return {
      kind,
      mode,
      uid,
      gid,
      mtimeNs,
      name: this.#archivePath(facts.root, facts.path),
      sizeBytes: content ? facts.sizeBytes : 0,
      linkTarget,
      hardLinkTo: hardLinkTo === undefined ? undefined : this.#archivePath(facts.root, hardLinkTo),
      userName: byteStringFromText(ownerNames?.user(uid) ?? ""),
      groupName: byteStringFromText(ownerNames?.group(gid) ?? ""),
    };
  }

  #archivePath(root: string, path: ByteString): string {
    const name = this.#roots.get(root)?.name ?? byteStringFromText(root);
    return path === "" ? name : `${name}/${path}`;
  }

  #fits(entry: Entry): boolean {
    const longest = Math.max(
      this.#archivePath(entry.root, entry.path).length,
      entry.linkTarget?.length ?? 0,
      entry.hardLinkTo === undefined ? 0 : this.#archivePath(entry.root, entry.hardLinkTo).length,
    );
    // One more for the "/" after a directory's name.
    if (longest < tarNameBytesMax) return true;
    this.#lose(
      entry,
      "unreadable",
      `Its name has ${longest} bytes, at most ${tarNameBytesMax - 1} can be stored`,
    );
    return false;
  }

  #isLost(entry: Entry): boolean {
    return entry.hardLinkTo !== undefined && this.#lost.has(`${entry.root}/${entry.hardLinkTo}`);
  }

  #withOwnContent(entry: Entry): Entry {
    const { hardLinkTo: _, ...own } = entry;
    const folder = this.#roots.get(entry.root)?.path ?? "";
    return { ...own, content: { from: "path", path: asByteString(`${folder}/${entry.path}`) } };
  }

  #lose(entry: Entry, problem: "vanished" | "unreadable", message: string): void {
    this.#lost.add(`${entry.root}/${entry.path}`);
    this.#options.problems.add(problem, entry, message);
    this.#options.progress(0, 1);
  }

  #reportChanged(entry: Entry): void {
    this.#options.problems.add("changed-while-read", entry, "It changed while it was read, twice");
  }

  #countFile(sizeBytes: number): void {
    this.#counts.files++;
    this.#sourceBytes += sizeBytes;
  }

  #countBare(entry: Entry): void {
    if (entry.kind === "directory") this.#counts.directories++;
    else if (entry.kind === "symlink") this.#counts.symlinks++;
    else this.#counts.files++;
  }
}

const noBytes = new Uint8Array(0);
const emptySha256 = hash("sha256", noBytes, "hex");

/** Tells whether a file gets a run of its own. */
export function isLarge(entry: Entry): boolean {
  return entry.content !== undefined && entry.sizeBytes > smallFileBytesMax;
}

/** Cuts entries, in order, into batches that fit a buffer; a large file is a batch of its own. */
export function planBatches(entries: readonly Entry[]): readonly (readonly Entry[])[] {
  const batches: Entry[][] = [];
  let batch: Entry[] = [];
  let bytes = 0;
  for (const entry of entries) {
    const size = entry.content === undefined ? 0 : entry.sizeBytes;
    const full = bytes + size > memberRawBytesMax || batch.length >= batchEntriesMax;
    if (batch.length > 0 && (full || isLarge(entry))) {
      batches.push(batch);
      batch = [];
      bytes = 0;
    }
    batch.push(entry);
    // Nothing fits beside a large file.
    bytes += isLarge(entry) ? memberRawBytesMax + 1 : size;
  }
  if (batch.length > 0) batches.push(batch);
  return batches;
}
