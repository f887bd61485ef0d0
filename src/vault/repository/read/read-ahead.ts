/**
 * The bytes of many files in order, read ahead of who takes them. Files are cut into
 * batches of so many bytes; of a batch all blobs are fetched at once, wherever they
 * lie. Memory is used again when a batch has been taken, because fresh memory costs
 * more than what is done with it.
 *
 * @module
 */

import { BackupError } from "../../../domain/error.ts";
import type { BlobLookup } from "../repository.ts";
import { type BlobFetcher, blobError, type LoadedBlobs } from "./blob-fetch.ts";
import { BatchPlanner, type Part, type Plan, type Subject } from "./plan-batches.ts";

/** A subject in its turn. */
export interface Turn<T> {
  readonly value: T;
  readonly hasContent: boolean;
}

/** Of one batch: some hundred small files, and enough of a large one for every thread. */
const limits = { bytes: 4 * 1024 * 1024, parts: 4_096 };

/** Batches that are read while one is taken. */
const batchesAhead = 3;

/** Handed out at once at most, so that who writes it is never long at it. */
const chunkBytesMax = 4 * 1024 * 1024;

interface Batch<T> {
  readonly parts: readonly Part<T>[];
  readonly loaded: LoadedBlobs;
  next: number;
}

export class ReadAhead<T> implements AsyncDisposable {
  readonly #planner: BatchPlanner<T>;
  readonly #fetcher: BlobFetcher;
  readonly #stopped = new AbortController();
  readonly #signal: AbortSignal;
  /** In order. */
  readonly #batches: Promise<Batch<T> | undefined>[] = [];
  #planned: Promise<unknown> = Promise.resolve();
  #current: Batch<T> | undefined;
  #part: Part<T> | undefined;

  /** @param subjects In the order they are wanted. Not asked for more after it failed */
  constructor(
    fetcher: BlobFetcher,
    index: BlobLookup,
    subjects: AsyncIterable<readonly Subject<T>[]>,
    signal: AbortSignal,
  ) {
    this.#fetcher = fetcher;
    this.#signal = AbortSignal.any([signal, this.#stopped.signal]);
    this.#planner = new BatchPlanner(index, subjects, limits);
  }

  /** The next subject; undefined after the last. What is left of the one before is passed over. */
  async next(): Promise<Turn<T> | undefined> {
    do this.#part = await this.#nextPart();
    while (this.#part !== undefined && !this.#part.isFirst);
    return this.#part;
  }

  /**
   * The bytes of the subject whose turn it is, verified. Each chunk is valid until the next is asked for.
   *
   * @throws {BackupError} `damaged` where a blob cannot be had; the next subject can be asked for all the same
   */
  async *content(reading: () => string): AsyncGenerator<Uint8Array, void, undefined> {
    for (let part = this.#part; part !== undefined; ) {
      yield* chunksOf(part, this.#current?.loaded, reading);
      if (part.isLast) return;
      part = await this.#nextPart();
      this.#part = part;
    }
  }

  /** Stops reading. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped.abort();
    await Promise.allSettled(this.#batches.splice(0));
    await this.#planner.end();
  }

  async #nextPart(): Promise<Part<T> | undefined> {
    this.#signal.throwIfAborted();
    const part = this.#current?.parts[this.#current.next++];
    if (part !== undefined) return part;
    this.#release();
    while (this.#batches.length <= batchesAhead) this.#batches.push(this.#start());
    this.#current = await this.#batches.shift();
    return this.#current?.parts[this.#current.next++];
  }

  /** Plans come one after the other, what they need at the same time. */
  #start(): Promise<Batch<T> | undefined> {
    const plan = this.#planned.then(() => this.#planner.next(this.#signal));
    this.#planned = plan;
    const batch = plan.then((planned) => planned && this.#load(planned));
    // Its failure is thrown when its turn comes, and concerns nobody if it never does.
    batch.catch(() => undefined);
    return batch;
  }

  async #load({ parts, wanted }: Plan<T>): Promise<Batch<T>> {
    return { parts, loaded: await this.#fetcher.loadBytes(wanted, this.#signal), next: 0 };
  }

  #release(): void {
    this.#current?.loaded.release();
    this.#current = undefined;
  }
}

const noBytes = new Uint8Array();

/** Neighbours in memory come out as one chunk. */
function* chunksOf(
  { slots }: Part<unknown>,
  loaded: LoadedBlobs | undefined,
  reading: () => string,
): Generator<Uint8Array> {
  let chunk: Uint8Array = noBytes;
  for (const { blob, failure: missing } of slots) {
    const failure = missing ?? (blob && loaded?.failures.get(blob));
    const bytes = (blob && loaded?.bytes.get(blob)) ?? noBytes;
    const isNeighbour = bytes.buffer === chunk.buffer && bytes.byteOffset === chunk.byteOffset + chunk.length;
    if (failure === undefined && isNeighbour && chunk.length + bytes.length <= chunkBytesMax) {
      chunk = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length + bytes.length);
      continue;
    }
    if (chunk.length > 0) yield chunk;
    if (failure !== undefined) throw blobError(failure, reading());
    chunk = bytes;
  }
  if (chunk.length > 0) yield chunk;
}

/** Raised where bytes and the size on record differ. */
export function wrongSize(reading: string, bytes: number, wanted: number): BackupError {
  return new BackupError(
    "damaged",
    `Cannot read ${reading}: its blobs have ${bytes} bytes, wanted ${wanted}`,
  );
}
