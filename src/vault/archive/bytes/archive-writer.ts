/**
 * Writes the `tar.gz` of a backup and the contents file beside it, in one pass
 * over the source. It makes two objects in the storage and nothing else: names,
 * locks and metadata are the vault's business.
 *
 * @module
 */

import type { BackupCounts, Problem } from "../../../domain/backup.ts";
import type { Clock } from "../../../domain/clock.ts";
import { systemClock } from "../../../domain/clock.ts";
import type { Entry, EntryRoot } from "../../../domain/entry.ts";
import type { Observer } from "../../../domain/progress.ts";
import { tarEndBytes } from "../../../format/archive/tar-header.ts";
import type { Storage } from "../../../storage/storage.ts";
import type { OwnerNames } from "../../owner-names.ts";
import type { AddedEntry } from "../../vault.ts";
import type { ContentsRun } from "./archive-reader-contents.ts";
import type { RunToCopy } from "./archive-writer-copy.ts";
import { canJoin, RunCopier } from "./archive-writer-copy.ts";
import type { ParentMatch } from "./archive-writer-parent.ts";
import { ParentCursor } from "./archive-writer-parent.ts";
import { ProblemLog } from "../../problem-log.ts";
import { RunSink } from "./archive-writer-runs.ts";
import { EntryStore, isLarge, planBatches } from "./archive-writer-store.ts";
import { MemberFactory } from "./member-factory.ts";

export interface ArchiveWriterOptions {
  readonly storage: Storage;
  /** Name of the `tar.gz` to make. */
  readonly archiveName: string;
  /** Name of the contents file to make. */
  readonly contentsName: string;
  readonly roots: readonly EntryRoot[];
  /** The archive to take unchanged files from. */
  readonly parent: { readonly archiveName: string; readonly contentsName: string } | undefined;
  /** Level 1 to 9 of Node's zlib; our own deflate when undefined. */
  readonly level: number | undefined;
  readonly observer: Observer;
  /** The system's clock unless given. */
  readonly clock?: Clock;
  /** Names of owners for the tar headers; numbers only when left out. */
  readonly ownerNames?: OwnerNames;
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

/** Pieces of work accepted ahead of the one being stored: their files are read meanwhile. */
const workAheadMax = 3;
/** Entries gathered before they are cut into batches: several, so that little is left over at the cuts. */
const entriesGatheredMax = 2048;
const bytesGatheredMax = 4 * 1024 * 1024;
/** Settled entries that were used are forgotten in pieces of this many. */
const forgetMax = 4096;
const progressIntervalMs = 100;

/** Starts both objects; nothing of them is visible before `finish` returns. */
export async function openArchiveWriter(
  options: ArchiveWriterOptions,
  signal: AbortSignal,
): Promise<ArchiveWriter> {
  signal.throwIfAborted();
  const { parent, storage, roots, observer } = options;
  const warn = (message: string): void => observer.warning(message);
  const cursor =
    parent === undefined ? undefined : await ParentCursor.open({ storage, roots, warn, ...parent }, signal);
  return new ArchiveWriter(options, cursor, signal);
}

/** One archive being written. `settle` and `add` as in `BackupWriter`; calls do not overlap, but `settle` may run ahead of `add`. */
export class ArchiveWriter {
  readonly #cursor: ParentCursor | undefined;
  readonly #factory: MemberFactory;
  readonly #sink: RunSink;
  readonly #store: EntryStore;
  readonly #copier: RunCopier;
  readonly #problems: ProblemLog;
  readonly #progress: StoreProgress;
  /** Unchanged entries that `add` has not met yet, in order. */
  #settled: ParentMatch[] = [];
  #settledAt = 0;
  /** Entries of one run of the parent that came in unbroken sequence so far. */
  #candidate: { readonly run: ContentsRun; readonly entries: Entry[] } | undefined;
  #copies: RunToCopy[] = [];
  #anew: Entry[] = [];
  #anewBytes = 0;
  #last: Promise<void> = Promise.resolve();
  #ahead: Promise<void>[] = [];
  #state: "open" | "finished" | "aborted" = "open";

  constructor(options: ArchiveWriterOptions, cursor: ParentCursor | undefined, signal: AbortSignal) {
    const { storage, observer, roots, ownerNames } = options;
    const clock = options.clock ?? systemClock;
    const factory = new MemberFactory(options.level);
    this.#cursor = cursor;
    this.#factory = factory;
    this.#problems = new ProblemLog(observer);
    this.#progress = new StoreProgress(observer, clock);
    this.#sink = new RunSink(options, signal);
    this.#store = new EntryStore({
      sink: this.#sink,
      factory,
      problems: this.#problems,
      roots,
      clock,
      ownerNames,
      progress: (bytes, items) => this.#progress.add(bytes, items),
    });
    this.#copier = new RunCopier({
      storage,
      archiveName: options.parent?.archiveName ?? "",
      sink: this.#sink,
      factory,
      store: this.#store,
      warn: (message) => observer.warning(message),
    });
  }

  /**
   * Tells for each entry whether it is as it was in the parent. Such an entry is either copied
   * from there or, where its neighbours changed, read as the plain file it was.
   */
  async settle(entries: readonly Entry[], signal: AbortSignal): Promise<readonly boolean[]> {
    signal.throwIfAborted();
    const matches = (await this.#cursor?.settle(entries)) ?? [];
    for (const match of matches) if (match !== undefined) this.#settled.push(match);
    return entries.map((_, index) => matches[index] !== undefined);
  }

  /** Accepts entries; waits while too much is in flight. */
  async add(entries: readonly AddedEntry[], signal: AbortSignal): Promise<void> {
    for (const { entry, settled } of entries) {
      signal.throwIfAborted();
      const match = settled ? this.#takeMatch(entry) : undefined;
      if (match === undefined) {
        await this.#dropCandidate(signal);
        await this.#read(entry, signal);
      } else if (!this.#continues(entry, match)) await this.#tryCopy(entry, match, signal);
    }
    if (!entries.some(({ entry }) => entry.content?.from === "stream")) return;
    // Whoever gives a stream may have no further entry before it was read.
    await this.#flushReads(signal);
    await this.#last;
  }

  /** Returns when both objects are durable. */
  async finish(signal: AbortSignal): Promise<ArchiveResult> {
    await this.#dropCandidate(signal);
    await this.#flushCopies(signal);
    await this.#flushReads(signal);
    await this.#last;
    signal.throwIfAborted();
    await this.#store.closeGroup();
    await this.#endTar();
    const objects = await this.#sink.finish();
    this.#state = "finished";
    await this.#close();
    this.#progress.end();
    const { problems, count, incomplete } = this.#problems;
    const { counts, sourceBytes } = this.#store;
    return { ...objects, counts, sourceBytes, problems, problemCount: count, incomplete };
  }

  /** Ends both writes; after a finished writer it does nothing, because the objects are the vault's then. */
  async abort(): Promise<void> {
    if (this.#state !== "open") return;
    this.#state = "aborted";
    await this.#sink.abort();
    await this.#last.catch(() => undefined);
    await this.#close();
  }

  async #close(): Promise<void> {
    await this.#factory[Symbol.asyncDispose]();
    await this.#cursor?.[Symbol.asyncDispose]();
  }

  /** Entries come in the order they were settled in, so what is passed over will not come. */
  #takeMatch(entry: Entry): ParentMatch | undefined {
    while (this.#settledAt < this.#settled.length) {
      const match = this.#settled[this.#settledAt++]!;
      if (this.#settledAt >= forgetMax || this.#settledAt === this.#settled.length) {
        this.#settled.splice(0, this.#settledAt);
        this.#settledAt = 0;
      }
      if (match.entry.path === entry.path && match.entry.root === entry.root) return match;
    }
    return undefined;
  }

  /** The common case, kept free of promises: one more of the candidate's entries, and not its last. */
  #continues(entry: Entry, { run, index }: ParentMatch): boolean {
    const candidate = this.#candidate;
    if (candidate?.run !== run || index !== candidate.entries.length) return false;
    if (index + 1 === run.lines.length) return false;
    candidate.entries.push(entry);
    return true;
  }

  async #tryCopy(entry: Entry, { run, index }: ParentMatch, signal: AbortSignal): Promise<void> {
    if (this.#candidate?.run !== run || index !== this.#candidate.entries.length) {
      await this.#dropCandidate(signal);
      if (index > 0) return this.#read(entry, signal);
      this.#candidate = { run, entries: [] };
    }
    const { entries } = this.#candidate;
    entries.push(entry);
    if (entries.length < run.lines.length) return;
    this.#candidate = undefined;
    await this.#flushReads(signal);
    if (!canJoin(this.#copies, run)) await this.#flushCopies(signal);
    this.#copies.push({ run, entries });
  }

  /** Something else came before the run was complete: its entries are read like any other. */
  async #dropCandidate(signal: AbortSignal): Promise<void> {
    const entries = this.#candidate?.entries ?? [];
    this.#candidate = undefined;
    for (const entry of entries) await this.#read(entry, signal);
  }

  async #read(entry: Entry, signal: AbortSignal): Promise<void> {
    await this.#flushCopies(signal);
    this.#anew.push(entry);
    this.#anewBytes += entry.content === undefined ? 0 : entry.sizeBytes;
    if (this.#anew.length < entriesGatheredMax && this.#anewBytes < bytesGatheredMax) return;
    await this.#flushReads(signal);
  }

  async #flushCopies(signal: AbortSignal): Promise<void> {
    if (this.#copies.length === 0) return;
    const copies = this.#copies;
    this.#copies = [];
    await this.#enqueue(() => this.#copier.copy(copies, signal));
  }

  async #flushReads(signal: AbortSignal): Promise<void> {
    const entries = this.#anew;
    this.#anew = [];
    this.#anewBytes = 0;
    for (const batch of planBatches(entries)) {
      if (isLarge(batch[0]!)) await this.#enqueue(() => this.#store.storeLarge(batch[0]!, signal));
      else {
        const started = this.#store.startBatch(batch, signal);
        await this.#enqueue(() => this.#store.storeBatch(started, signal));
      }
    }
  }

  /** Work is done in order; some of it is accepted ahead. A failure ends all that follows and surfaces here. */
  async #enqueue(work: () => Promise<void>): Promise<void> {
    this.#last = this.#last.then(work);
    this.#last.catch(() => undefined);
    this.#ahead.push(this.#last);
    if (this.#ahead.length > workAheadMax) await this.#ahead.shift();
  }

  async #endTar(): Promise<void> {
    const raw = this.#factory.takeRaw();
    raw.fill(0, 0, tarEndBytes);
    const run = this.#sink.open();
    await this.#sink.push(run, this.#factory.make(raw, tarEndBytes, "deflate"));
    await this.#sink.close(run, []);
  }
}

/** Reports progress about ten times a second. */
class StoreProgress {
  readonly #observer: Observer;
  readonly #clock: Clock;
  #bytesDone = 0;
  #itemsDone = 0;
  #lastMs = Number.NEGATIVE_INFINITY;

  constructor(observer: Observer, clock: Clock) {
    this.#observer = observer;
    this.#clock = clock;
  }

  add(bytes: number, items: number): void {
    this.#bytesDone += bytes;
    this.#itemsDone += items;
    const nowMs = this.#clock.elapsed();
    if (nowMs - this.#lastMs < progressIntervalMs) return;
    this.#lastMs = nowMs;
    this.end();
  }

  end(): void {
    this.#observer.progress({ phase: "store", bytesDone: this.#bytesDone, itemsDone: this.#itemsDone });
  }
}
