/**
 * Brings blobs from the storage into memory, verified (I6). A blob that lies in
 * several packs is taken from another one where the first copy is damaged.
 *
 * @module
 */

import { BackupError, isBackupError } from "../../../domain/error.ts";
import { Permits } from "../../../encode/permits.ts";
import type { BlobType, ObjectId } from "../../../format/restic/model.ts";
import { packName } from "../objects.ts";
import type { BlobLookup, BlobPlace, Repository } from "../repository.ts";
import { type PackRange, planRanges, type WantedBlob } from "./blob-ranges.ts";
import type { BlobThreads } from "./blob-threads.ts";
import { type BlobToDecode, plainLengthOf, stateOf } from "./decode-blobs.ts";

/** Requests in flight: hides the latency of a network. What they hold in memory is bounded by who asks. */
const requestsAtOnce = 16;

/** Nobody stores larger pieces of files: restic's have 8 MiB at most, others' up to 64. */
export const dataBlobBytesMax: number = 128 * 1024 * 1024;

/** A folder of a million files is one blob of some 400 MB. Longer text no JavaScript engine takes. */
export const treeBlobBytesMax: number = 512 * 1024 * 1024;

/** Why a blob cannot be had. */
export interface BlobFailure {
  readonly id: ObjectId;
  readonly type: BlobType;
  /** The pack it should be in; undefined where no index knows it. */
  readonly pack: ObjectId | undefined;
  /** "Cannot read blob <id> ...", complete. */
  readonly message: string;
}

/** The failure as an error that says what was being read, e.g. "uploads/a.jpg". */
export function blobError(failure: BlobFailure, reading: string): BackupError {
  const { id, pack } = failure;
  return new BackupError("damaged", `Cannot read ${reading}: ${failure.message}`, {
    details: { blob: id, ...(pack === undefined ? {} : { pack }) },
    hint: "Run verify to see what else is damaged, and restore another backup or the parts that are whole.",
  });
}

/** Where `id` lies; a failure where it lies nowhere, or can be no blob. */
export function findBlob(index: BlobLookup, id: ObjectId, type: BlobType): BlobPlace | BlobFailure {
  const place = index.find(id, type);
  if (place === undefined) {
    return { id, type, pack: undefined, message: `blob ${id} is in no index` };
  }
  const bytesMax = type === "tree" ? treeBlobBytesMax : dataBlobBytesMax;
  if (Math.max(plainLengthOf(place), place.length) <= bytesMax) return place;
  return failureOf(place, `the index says it has ${plainLengthOf(place)} bytes, more than any has`);
}

export class BlobFetcher {
  readonly #storage: Repository["storage"];
  readonly #index: BlobLookup;
  readonly #threads: BlobThreads;
  readonly #permits = new Permits(requestsAtOnce);

  constructor(repo: Pick<Repository, "storage">, index: BlobLookup, threads: BlobThreads) {
    this.#storage = repo.storage;
    this.#index = index;
    this.#threads = threads;
  }

  /**
   * Reads blobs, each to its place in `target`; without one they are only checked.
   *
   * @returns what cannot be had, by the position in `wanted`
   * @throws {BackupError} `storage-unavailable`
   */
  async load(
    wanted: readonly WantedBlob[],
    target: ArrayBufferLike | undefined,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<WantedBlob, BlobFailure>> {
    const failures = new Map<WantedBlob, BlobFailure>();
    const loadOne = async (range: PackRange): Promise<void> => {
      for (const [blob, state] of await this.#loadRange(range, target, signal)) {
        const failure = await this.#rescue(blob, state, target, signal);
        if (failure !== undefined) failures.set(blob, failure);
      }
    };
    const all = planRanges(wanted).map((range) => this.#permits.run(() => loadOne(range)));
    const outcomes = await Promise.allSettled(all);
    for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
    return failures;
  }

  /** What failed of a range, and how. */
  async #loadRange(
    range: PackRange,
    target: ArrayBufferLike | undefined,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<WantedBlob, string>> {
    signal.throwIfAborted();
    const pieces: Uint8Array[] = [];
    try {
      const { offset, length } = range;
      for await (const piece of this.#storage.get(packName(range.pack), { offset, length }, signal)) {
        pieces.push(piece);
      }
    } catch (error) {
      if (!isBackupError(error, "damaged", "not-found")) throw error;
      const state = isBackupError(error, "not-found") ? "that pack is missing" : stateOf(error);
      // A pack that ends early may still hold those in its beginning: each is tried by itself.
      if (pieces.length === 0 || range.blobs.length === 1) {
        return new Map(range.blobs.map((blob) => [blob, state]));
      }
    }
    const blobs = range.blobs.map((blob) => toDecode(blob, range.offset));
    const failures = await this.#threads.decode({
      pieces,
      blobs,
      ...(target === undefined ? {} : { target }),
    });
    return new Map(
      failures.flatMap(({ index, state }) => {
        const blob = range.blobs[index];
        return blob === undefined ? [] : [[blob, state] as const];
      }),
    );
  }

  /** Tries the other copies of a blob. */
  async #rescue(
    blob: WantedBlob,
    state: string,
    target: ArrayBufferLike | undefined,
    signal: AbortSignal,
  ): Promise<BlobFailure | undefined> {
    for (const place of this.#index.findAll(blob.place.id, blob.place.type)) {
      const { pack, offset } = blob.place;
      const isSame = place.pack === pack && place.offset === offset;
      if (isSame || plainLengthOf(place) !== plainLengthOf(blob.place)) continue;
      const copy: WantedBlob = { place, at: blob.at };
      const range = { pack: place.pack, offset: place.offset, length: place.length, blobs: [copy] };
      if ((await this.#loadRange(range, target, signal)).size === 0) return undefined;
    }
    return failureOf(blob.place, state);
  }
}

function toDecode({ place, at }: WantedBlob, rangeOffset: number): BlobToDecode {
  const { id, offset, length, uncompressedLength } = place;
  return {
    id,
    offset: offset - rangeOffset,
    length,
    at,
    ...(uncompressedLength === undefined ? {} : { uncompressedLength }),
  };
}

function failureOf(place: BlobPlace, state: string): BlobFailure {
  const { id, type, pack } = place;
  return { id, type, pack, message: `blob ${id} of pack ${pack} cannot be read: ${state}` };
}
