/**
 * The bytes of many files in order, read ahead of who takes them. Files are cut into
 * batches of so many bytes; of a batch all blobs are fetched at once, wherever they
 * lie. Memory is used again when a batch has been taken, because fresh memory costs
 * more than what is done with it.
 *
 * @module
 */

import { BackupError } from "../../../domain/error.ts";
import type { ObjectId } from "../../../format/restic/model.ts";
import type { BlobLookup } from "../repository.ts";
import { type BlobFailure, type BlobFetcher, blobError, findBlob, type LoadedBlobs } from "./blob-fetch.ts";
import type { WantedBlob } from "./blob-ranges.ts";
import { plainLengthOf } from "./decode-blobs.ts";

/** A file whose bytes are wanted, or something else that comes in its turn. */
export interface Subject<T> {
  readonly value: T;
  /** Blobs of the bytes that are wanted; undefined for what has none. */
  readonly content?: readonly ObjectId[];
}

/** A subject in its turn. */
export interface Turn<T> {
  readonly value: T;
  readonly hasContent: boolean;
}

/** Bytes of one batch: some hundred small files, and enough of a large one for every thread. */
const batchBytes = 4 * 1024 * 1024;

/** Batches that are read while one is taken. */
const batchesAhead = 3;

/** Things in one batch: empty files and folders take memory too. */
const partsMax = 4_096;

/** Handed out at once at most, so that who writes it is never long at it. */
const chunkBytesMax = 4 * 1024 * 1024;

/** A blob in its batch; one that several files share is there once. */
interface Slot {
  failure: BlobFailure | undefined;
  bytes: Uint8Array;
}

/** What a batch holds of a subject. */
interface Part<T> {
  readonly value: T;
  readonly hasContent: boolean;
  readonly slots: readonly Slot[];
  readonly isFirst: boolean;
  readonly isLast: boolean;
}

interface Batch<T> {
  readonly parts: readonly Part<T>[];
  readonly loaded: LoadedBlobs;
  next: number;
}

export class ReadAhead<T> implements AsyncDisposable {
  readonly #planner: Planner<T>;
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
    this.#planner = new Planner(index, subjects);
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
      yield* chunksOf(part.slots, reading);
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
    const loaded = await this.#fetcher.loadBytes([...wanted.keys()], this.#signal);
    for (const [blob, slot] of wanted) {
      slot.failure = loaded.failures.get(blob);
      slot.bytes = loaded.bytes.get(blob) ?? slot.bytes;
    }
    return { parts, loaded, next: 0 };
  }

  #release(): void {
    this.#current?.loaded.release();
    this.#current = undefined;
  }
}

const noBytes = new Uint8Array();

/** Neighbours in memory come out as one chunk. */
function* chunksOf(slots: readonly Slot[], reading: () => string): Generator<Uint8Array> {
  let chunk: Uint8Array = noBytes;
  for (const { bytes, failure } of slots) {
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

interface Plan<T> {
  readonly parts: readonly Part<T>[];
  readonly wanted: ReadonlyMap<WantedBlob, Slot>;
}

/** Cuts what is wanted into batches. */
class Planner<T> {
  readonly #index: BlobLookup;
  readonly #subjects: AsyncIterator<readonly Subject<T>[]>;
  #group: readonly Subject<T>[] = [];
  #at = 0;
  /** Blobs of the current subject that earlier batches have. */
  #blobsDone = 0;
  /** Thrown after the subjects that came before it. */
  #failure: { readonly error: unknown } | undefined;

  constructor(index: BlobLookup, subjects: AsyncIterable<readonly Subject<T>[]>) {
    this.#index = index;
    this.#subjects = subjects[Symbol.asyncIterator]();
  }

  /** The next batch; undefined after the last. */
  async next(signal: AbortSignal): Promise<Plan<T> | undefined> {
    const batch = new BatchPlan<T>(this.#index);
    while (!batch.isFull) {
      signal.throwIfAborted();
      const subject = await this.#subject();
      if (subject === undefined) break;
      const blobsBefore = this.#blobsDone;
      this.#blobsDone = batch.add(subject, blobsBefore);
      const isLast = this.#blobsDone >= (subject.content?.length ?? 0);
      // Where not even its first blob has room, it begins in the next batch.
      if (!isLast && this.#blobsDone === blobsBefore) return batch;
      batch.close(subject, blobsBefore === 0, isLast);
      if (!isLast) return batch;
      this.#blobsDone = 0;
      this.#at++;
    }
    if (batch.parts.length > 0) return batch;
    if (this.#failure !== undefined) throw this.#failure.error;
    return undefined;
  }

  /** Ends the walk that the subjects come from. */
  async end(): Promise<void> {
    await this.#subjects.return?.();
  }

  async #subject(): Promise<Subject<T> | undefined> {
    while (this.#at >= this.#group.length && this.#failure === undefined) {
      try {
        const { done, value } = await this.#subjects.next();
        if (done === true) return undefined;
        this.#group = value;
        this.#at = 0;
      } catch (error) {
        this.#failure = { error };
      }
    }
    return this.#failure === undefined ? this.#group[this.#at] : undefined;
  }
}

/** One batch while it is being filled. */
class BatchPlan<T> implements Plan<T> {
  readonly parts: Part<T>[] = [];
  readonly wanted = new Map<WantedBlob, Slot>();
  /** Plain, each blob counted once. */
  bytes = 0;
  readonly #index: BlobLookup;
  readonly #slots = new Map<ObjectId, Slot>();
  #slotsOfPart: Slot[] = [];
  #blobs = 0;

  constructor(index: BlobLookup) {
    this.#index = index;
  }

  get isFull(): boolean {
    return this.bytes >= batchBytes || this.parts.length + this.#blobs >= partsMax;
  }

  /** Adds blobs of a subject, from `start` on, as far as there is room. Returns the first that is left. */
  add({ content = [] }: Subject<T>, start: number): number {
    let next = start;
    for (; next < content.length && !this.isFull; next++) {
      const id = content[next] ?? "";
      const slot = this.#slots.get(id) ?? this.#newSlot(id);
      if (slot === undefined) break;
      this.#slotsOfPart.push(slot);
      this.#blobs++;
    }
    return next;
  }

  /** Ends the part that {@link add} has filled. */
  close(subject: Subject<T>, isFirst: boolean, isLast: boolean): void {
    const hasContent = subject.content !== undefined;
    this.parts.push({ value: subject.value, hasContent, slots: this.#slotsOfPart, isFirst, isLast });
    this.#slotsOfPart = [];
  }

  /** Undefined where it does not fit; the first always does. */
  #newSlot(id: ObjectId): Slot | undefined {
    const place = findBlob(this.#index, id, "data");
    const length = "message" in place ? 0 : plainLengthOf(place);
    if (this.bytes > 0 && this.bytes + length > batchBytes) return undefined;
    const slot: Slot = { failure: "message" in place ? place : undefined, bytes: noBytes };
    this.#slots.set(id, slot);
    if (!("message" in place)) this.wanted.set({ place, at: this.bytes }, slot);
    this.bytes += length;
    return slot;
  }
}

/** Raised where bytes and the size on record differ. */
export function wrongSize(reading: string, bytes: number, wanted: number): BackupError {
  return new BackupError(
    "damaged",
    `Cannot read ${reading}: its blobs have ${bytes} bytes, wanted ${wanted}`,
  );
}
