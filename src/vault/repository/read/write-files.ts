/**
 * Restores many files at once: the threads that decode blobs write them as well, each to its
 * place in a file that this side makes, holds open and completes. Bytes do not pass through
 * the main thread, and blobs are written while they lie in the processor's cache.
 *
 * @module
 */

import { setImmediate } from "node:timers/promises";
import type { StoredEntry } from "../../../domain/entry.ts";
import type { FileSink } from "../../vault.ts";
import { type BlobFailure, type BlobFetcher, blobError } from "./blob-fetch.ts";
import type { WantedBlob } from "./blob-ranges.ts";
import { plainLengthOf } from "./decode-blobs.ts";
import { type RepositoryReading, shownPath } from "./open-snapshot.ts";
import { BatchPlanner, type Part, type Plan, type Subject } from "./plan-batches.ts";
import { wrongSize } from "./read-ahead.ts";
import { UnwrittenError } from "./write-data.ts";

/**
 * Of one batch. Bytes cost no memory here, and the more there are the fewer ranges they lie in; the parts
 * bound how many files are open at once, times `batchesAtOnce`: half of what some systems allow a process.
 * A thread does not stop within a batch, in which one blob may be wanted a thousand times.
 */
const limits = { bytes: 8 * 1024 * 1024, parts: 128, placedBytes: 128 * 1024 * 1024 };

/** One that is planned, and enough to keep every thread at work. */
const batchesAtOnce = 4;

/** A file that is being written. */
interface OpenFile {
  readonly entry: StoredEntry;
  readonly descriptor: number;
  /** Bytes of the blobs so far. */
  bytes: number;
}

interface Batch {
  readonly parts: readonly PlacedPart[];
  readonly written: Promise<ReadonlyMap<WantedBlob, BlobFailure>>;
}

interface PlacedPart {
  readonly part: Part<StoredEntry>;
  /** Undefined for what has no bytes. */
  readonly file: OpenFile | undefined;
}

/**
 * Writes all subjects, in their order, several batches at once.
 *
 * @throws {BackupError} `damaged` for the first file that cannot be had; what `sink` throws
 */
export async function writeFiles(
  { fetcher, index }: Pick<RepositoryReading, "fetcher" | "index">,
  subjects: AsyncIterable<readonly Subject<StoredEntry>[]>,
  sink: FileSink,
  signal: AbortSignal,
): Promise<void> {
  const planner = new BatchPlanner(index, subjects, limits);
  const writing = new FileWriting(fetcher, sink);
  try {
    for (let plan = await planner.next(signal); plan !== undefined; plan = await planner.next(signal)) {
      await writing.add(plan, signal);
      // Making files is synchronous, and an application that embeds this has requests to answer.
      await setImmediate();
    }
    await writing.end();
  } catch (error) {
    signal.throwIfAborted();
    throw (await writing.failureBefore()) ?? error;
  } finally {
    await writing.close();
    await planner.end();
  }
}

class FileWriting {
  readonly #fetcher: BlobFetcher;
  readonly #sink: FileSink;
  /** In order. */
  readonly #batches: Batch[] = [];
  /** By descriptor. */
  readonly #open = new Map<number, OpenFile>();
  /** The last that was begun: it may go on in the next batch. */
  #last: OpenFile | undefined;
  #hasFailed = false;

  constructor(fetcher: BlobFetcher, sink: FileSink) {
    this.#fetcher = fetcher;
    this.#sink = sink;
  }

  /** Makes the files of a plan and starts writing their bytes; waits while enough batches are at work. */
  async add({ parts, wanted }: Plan<StoredEntry>, signal: AbortSignal): Promise<void> {
    const placed = parts.map((part) => this.#place(part));
    const written = this.#fetcher.load(wanted, undefined, signal);
    // Its failure is thrown when its turn comes.
    written.catch(() => undefined);
    this.#batches.push({ parts: placed, written });
    if (this.#batches.length >= batchesAtOnce) await this.#endFirst();
  }

  /** Waits for all batches. */
  async end(): Promise<void> {
    while (this.#batches.length > 0) await this.#endFirst();
  }

  /** After a failure elsewhere: that of a batch, if there is one, because the first of all is told. */
  async failureBefore(): Promise<unknown> {
    if (this.#hasFailed) return undefined;
    try {
      await this.end();
      return undefined;
    } catch (error) {
      return error;
    }
  }

  /** Gives up what is not complete. */
  async close(): Promise<void> {
    // A thread that still wrote after a file is closed could write into another that got its number.
    await Promise.allSettled(this.#batches.map(({ written }) => written));
    for (const descriptor of this.#open.keys()) this.#sink.abandon(descriptor);
    this.#open.clear();
  }

  #place(part: Part<StoredEntry>): PlacedPart {
    if (part.isFirst) this.#last = this.#begin(part);
    const file = part.hasContent ? this.#last : undefined;
    if (file === undefined) return { part, file };
    for (const { blob } of part.slots) {
      if (blob === undefined) continue;
      const position = file.bytes;
      file.bytes += plainLengthOf(blob.place);
      // What is more than the entry says is not written at all: it may be any amount.
      if (file.bytes <= file.entry.sizeBytes) blob.to.push({ descriptor: file.descriptor, position });
    }
    return { part, file };
  }

  #begin({ value: entry }: Part<StoredEntry>): OpenFile | undefined {
    const descriptor = this.#sink.begin(entry);
    if (descriptor === undefined) return undefined;
    const file = { entry, descriptor, bytes: 0 };
    this.#open.set(descriptor, file);
    return file;
  }

  async #endFirst(): Promise<void> {
    const batch = this.#batches[0];
    if (batch === undefined) return;
    try {
      const failures = await batch.written;
      for (const { part, file } of batch.parts) if (file !== undefined) this.#endPart(part, file, failures);
    } catch (error) {
      this.#hasFailed = true;
      throw this.#explained(error);
    } finally {
      this.#batches.shift();
    }
  }

  #endPart(
    { slots, isLast }: Part<StoredEntry>,
    { entry, descriptor, bytes }: OpenFile,
    failures: ReadonlyMap<WantedBlob, BlobFailure>,
  ): void {
    for (const { blob, failure } of slots) {
      const found = failure ?? (blob && failures.get(blob));
      if (found !== undefined) throw blobError(found, shownPath(entry.root, entry.path));
    }
    const isWrong = isLast ? bytes !== entry.sizeBytes : bytes > entry.sizeBytes;
    if (isWrong) throw wrongSize(shownPath(entry.root, entry.path), bytes, entry.sizeBytes);
    if (!isLast) return;
    this.#open.delete(descriptor);
    this.#sink.complete(entry, descriptor);
  }

  /** In words of whoever has the file open. */
  #explained(error: unknown): unknown {
    if (!(error instanceof UnwrittenError)) return error;
    const file = this.#open.get(error.facts.descriptor);
    return file === undefined ? error : this.#sink.unwritten(file.entry, error);
  }
}
