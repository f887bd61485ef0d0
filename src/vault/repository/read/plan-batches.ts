/**
 * Cuts what is wanted of many files into batches of so many bytes, in the order of the
 * files. A file may begin in one batch and end in another; a blob that several files of a
 * batch share is in it once.
 *
 * @module
 */

import type { ObjectId } from "../../../format/restic/model.ts";
import type { BlobLookup } from "../repository.ts";
import { type BlobFailure, findBlob } from "./blob-fetch.ts";
import type { WantedBlob } from "./blob-ranges.ts";
import { plainLengthOf } from "./decode-blobs.ts";
import type { Destination } from "./write-data.ts";

/** A file whose bytes are wanted, or something else that comes in its turn. */
export interface Subject<T> {
  readonly value: T;
  /** Blobs of the bytes that are wanted; undefined for what has none. */
  readonly content?: readonly ObjectId[];
}

/** How much goes into one batch. */
export interface BatchLimits {
  /** Plain, each blob counted once. A larger blob is a batch of its own. */
  readonly bytes: number;
  /** Files, folders and links. */
  readonly parts: number;
  /** Plain, each blob counted as often as it is wanted; without it only `bytes` counts. */
  readonly placedBytes?: number;
}

/** Parts and blobs in one batch, whatever its limits: they take memory too. */
const thingsMax = 4_096;

/** A blob in its batch; one that several files share is there once. */
interface Slot {
  /** Where it is to be had; undefined for one that is nowhere. */
  readonly blob: (WantedBlob & { readonly to: Destination[] }) | undefined;
  failure: BlobFailure | undefined;
}

/** What a batch holds of a subject. */
export interface Part<T> {
  readonly value: T;
  readonly hasContent: boolean;
  readonly slots: readonly Slot[];
  readonly isFirst: boolean;
  readonly isLast: boolean;
}

export interface Plan<T> {
  readonly parts: readonly Part<T>[];
  readonly wanted: readonly WantedBlob[];
}

/** Cuts what is wanted into batches. */
export class BatchPlanner<T> {
  readonly #index: BlobLookup;
  readonly #limits: BatchLimits;
  readonly #subjects: AsyncIterator<readonly Subject<T>[]>;
  #group: readonly Subject<T>[] = [];
  #at = 0;
  /** Blobs of the current subject that earlier batches have. */
  #blobsDone = 0;
  /** Thrown after the subjects that came before it. */
  #failure: { readonly error: unknown } | undefined;

  /** @param subjects In the order they are wanted. Not asked for more after it failed */
  constructor(index: BlobLookup, subjects: AsyncIterable<readonly Subject<T>[]>, limits: BatchLimits) {
    this.#index = index;
    this.#limits = limits;
    this.#subjects = subjects[Symbol.asyncIterator]();
  }

  /** The next batch; undefined after the last. */
  async next(signal: AbortSignal): Promise<Plan<T> | undefined> {
    const batch = new BatchPlan<T>(this.#index, this.#limits);
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
  readonly wanted: WantedBlob[] = [];
  readonly #index: BlobLookup;
  readonly #limits: BatchLimits;
  readonly #slots = new Map<ObjectId, Slot>();
  #slotsOfPart: Slot[] = [];
  #bytes = 0;
  #placedBytes = 0;
  #blobs = 0;

  constructor(index: BlobLookup, limits: BatchLimits) {
    this.#index = index;
    this.#limits = limits;
  }

  get isFull(): boolean {
    const { bytes, parts, placedBytes = Number.POSITIVE_INFINITY } = this.#limits;
    const things = this.parts.length + this.#blobs;
    const isLarge = this.#bytes >= bytes || this.#placedBytes >= placedBytes;
    return isLarge || this.parts.length >= parts || things >= thingsMax;
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
      if (slot.blob !== undefined) this.#placedBytes += plainLengthOf(slot.blob.place);
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
    if (this.#bytes > 0 && this.#bytes + length > this.#limits.bytes) return undefined;
    const slot: Slot =
      "message" in place
        ? { blob: undefined, failure: place }
        : { blob: { place, at: this.#bytes, to: [] }, failure: undefined };
    this.#slots.set(id, slot);
    if (slot.blob !== undefined) this.wanted.push(slot.blob);
    this.#bytes += length;
    return slot;
  }
}
