/**
 * Brings blobs from the storage into memory, verified (I6). A blob that lies in
 * several packs is taken from another one where the first copy is damaged.
 *
 * @module
 */

import { BackupError } from "../../../domain/error.ts";
import { Permits } from "../../../encode/permits.ts";
import type { BlobType, ObjectId } from "../../../format/restic/model.ts";
import { isInputFailure } from "../../unreadable-file.ts";
import { packName } from "../objects.ts";
import type { BlobLookup, BlobPlace, Repository } from "../repository.ts";
import { type PackRange, planRanges, type WantedBlob } from "./blob-ranges.ts";
import type { BlobThreads } from "./blob-threads.ts";
import { type BlobToDecode, type DecodeFailure, plainLengthOf } from "./decode-blobs.ts";
import { readFailure } from "./read-failure.ts";
import { SharedMemory } from "./shared-memory.ts";

/** Requests in flight: hides the latency of a network. What they hold in memory is bounded by who asks. */
const requestsAtOnce = 6;

/** Nobody stores larger pieces of files: restic's have 8 MiB at most, others' up to 64. */
const dataBlobBytesMax = 128 * 1024 * 1024;

/** A folder of a million files is one blob of some 400 MB. Longer text no JavaScript engine takes. */
const treeBlobBytesMax = 512 * 1024 * 1024;

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
    hint: "Run verify to see what else is damaged, and restore another backup, or what is whole of this one: --skip-damaged --target DIR.",
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

/** What came of a wish for blobs. */
export interface LoadedBlobs {
  readonly bytes: ReadonlyMap<WantedBlob, Uint8Array>;
  readonly failures: ReadonlyMap<WantedBlob, BlobFailure>;
  /** Call it when `bytes` are not needed any more: others come to lie in their place. */
  release(): void;
}

/** One wish for blobs while they come in. */
class Loading implements LoadedBlobs {
  readonly bytes = new Map<WantedBlob, Uint8Array>();
  readonly failures = new Map<WantedBlob, BlobFailure>();
  readonly #memory: SharedMemory | undefined;
  readonly #taken: SharedArrayBuffer[] = [];
  #block: SharedArrayBuffer | undefined;
  #blockUsed = 0;

  /** @param memory Where bytes come to lie; undefined where nobody wants them */
  constructor(memory: SharedMemory | undefined, wanted: readonly WantedBlob[]) {
    this.#memory = memory;
    if (memory !== undefined)
      this.#newBlock(wanted.reduce((sum, { place }) => sum + plainLengthOf(place), 0));
  }

  /** Room for a range. All of them fit into one block, but for second tries. */
  take(size: number): Uint8Array | undefined {
    if (this.#memory === undefined) return undefined;
    if (this.#block === undefined || this.#blockUsed + size > this.#block.byteLength) this.#newBlock(size);
    this.#blockUsed += size;
    return this.#block && Buffer.from(this.#block, this.#blockUsed - size, size);
  }

  release(): void {
    for (const memory of this.#taken.splice(0)) this.#memory?.give(memory);
    this.#block = undefined;
  }

  #newBlock(size: number): void {
    this.#block = this.#memory?.take(size);
    this.#blockUsed = 0;
    if (this.#block !== undefined) this.#taken.push(this.#block);
  }
}

export class BlobFetcher {
  readonly #storage: Repository["storage"];
  readonly #index: BlobLookup;
  readonly #threads: BlobThreads;
  readonly #permits = new Permits(requestsAtOnce);
  readonly #memory = new SharedMemory();

  constructor(repo: Pick<Repository, "storage">, index: BlobLookup, threads: BlobThreads) {
    this.#storage = repo.storage;
    this.#index = index;
    this.#threads = threads;
  }

  /**
   * Reads blobs, each to its place in `target`; without one they are only checked. Either way they are
   * written into the files they are wanted in.
   *
   * @returns what cannot be had, by the blob that was wanted
   * @throws {BackupError} `storage-unavailable`
   * @throws {UnwrittenError} When it rejects, nothing is written any more
   */
  async load(
    wanted: readonly WantedBlob[],
    target: ArrayBufferLike | undefined,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<WantedBlob, BlobFailure>> {
    const loaded = await this.#loadAll(wanted, target !== undefined, signal);
    if (target !== undefined) {
      const all = new Uint8Array(target);
      for (const [{ at }, plain] of loaded.bytes) all.set(plain, at);
    }
    loaded.release();
    return loaded.failures;
  }

  /** Reads blobs. @throws {BackupError} `storage-unavailable` */
  loadBytes(wanted: readonly WantedBlob[], signal: AbortSignal): Promise<LoadedBlobs> {
    return this.#loadAll(wanted, true, signal);
  }

  async #loadAll(wanted: readonly WantedBlob[], keeps: boolean, signal: AbortSignal): Promise<Loading> {
    const loading = new Loading(keeps ? this.#memory : undefined, wanted);
    const loadOne = async (range: PackRange): Promise<void> => {
      for (const [blob, state] of await this.#loadRange(range, loading, signal)) {
        const failure = await this.#rescue(blob, state, loading, signal);
        if (failure !== undefined) loading.failures.set(blob, failure);
      }
    };
    const all = planRanges(wanted).map((range) => this.#permits.run(() => loadOne(range)));
    const outcomes = await Promise.allSettled(all);
    const failed = outcomes.find((outcome) => outcome.status === "rejected");
    if (failed === undefined) return loading;
    loading.release();
    throw failed.reason;
  }

  /** What failed of a range, and how. */
  async #loadRange(
    range: PackRange,
    loading: Loading,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<WantedBlob, string>> {
    const blobs = placeBlobs(range);
    const size = blobs.reduce((most, blob) => Math.max(most, blob.at + plainLengthOf(blob)), 0);
    const target = loading.take(size);
    const failures = await this.#decodeRange(range, blobs, target, signal);
    if (typeof failures === "string") return new Map(range.blobs.map((blob) => [blob, failures]));
    const states = new Map(failures.map(({ index, state }) => [index, state]));
    const failed = new Map<WantedBlob, string>();
    for (const [i, blob] of range.blobs.entries()) {
      const { at = 0 } = blobs[i] ?? {};
      const state = states.get(i);
      if (state !== undefined) failed.set(blob, state);
      else if (target !== undefined) {
        loading.bytes.set(blob, target.subarray(at, at + plainLengthOf(blob.place)));
      }
    }
    return failed;
  }

  /** What failed, by the position in the range; a text where all of it did. */
  async #decodeRange(
    range: PackRange,
    blobs: readonly BlobToDecode[],
    target: Uint8Array | undefined,
    signal: AbortSignal,
  ): Promise<readonly DecodeFailure[] | string> {
    signal.throwIfAborted();
    const { offset, length } = range;
    const name = packName(range.pack);
    const path = this.#storage.localPath?.(name);
    if (path !== undefined) {
      const failures = await this.#threads.decodeFile({ part: { path, offset, length }, blobs }, target);
      if (failures !== undefined) return failures;
    }
    const pieces: Uint8Array[] = [];
    try {
      for await (const piece of this.#storage.get(name, { offset, length }, signal)) pieces.push(piece);
    } catch (error) {
      const failure = await readFailure(this.#storage, error, signal);
      if (range.blobs.length === 1) return failure;
      if (isInputFailure(error)) return await this.#decodeSingly(range, blobs, target, signal);
      // A pack that ends early may still hold the blobs in its beginning.
      if (pieces.length === 0) return failure;
    }
    return await this.#threads.decode({ pieces, blobs }, target);
  }

  /** What lies around a bad sector may be readable. */
  async #decodeSingly(
    range: PackRange,
    blobs: readonly BlobToDecode[],
    target: Uint8Array | undefined,
    signal: AbortSignal,
  ): Promise<readonly DecodeFailure[]> {
    const failed: DecodeFailure[] = [];
    for (const [index, wanted] of range.blobs.entries()) {
      const { offset, length } = wanted.place;
      const alone = { ...range, offset, length, blobs: [wanted] };
      const [blob] = blobs.slice(index, index + 1).map((one) => ({ ...one, offset: 0 }));
      if (blob === undefined) continue;
      const failures = await this.#decodeRange(alone, [blob], target, signal);
      const state = typeof failures === "string" ? failures : failures[0]?.state;
      if (state !== undefined) failed.push({ index, state });
    }
    return failed;
  }

  /** Tries the other copies of a blob. */
  async #rescue(
    blob: WantedBlob,
    state: string,
    loading: Loading,
    signal: AbortSignal,
  ): Promise<BlobFailure | undefined> {
    const { id, type, pack, offset } = blob.place;
    for (const place of this.#index.findAll(id, type)) {
      const isSame = place.pack === pack && place.offset === offset;
      if (isSame || plainLengthOf(place) !== plainLengthOf(blob.place)) continue;
      const copy: WantedBlob = { ...blob, place };
      const range = { pack: place.pack, offset: place.offset, length: place.length, blobs: [copy] };
      if ((await this.#loadRange(range, loading, signal)).size > 0) continue;
      const bytes = loading.bytes.get(copy);
      if (bytes !== undefined) loading.bytes.set(blob, bytes);
      loading.bytes.delete(copy);
      return undefined;
    }
    return failureOf(blob.place, state);
  }
}

/** Blobs of a range lie one after the other in memory, as they do in the pack. */
function placeBlobs({ blobs, offset }: PackRange): readonly BlobToDecode[] {
  let at = 0;
  return blobs.map((blob) => {
    const placed = toDecode(blob, blob.place.offset - offset, at);
    at += plainLengthOf(blob.place);
    return placed;
  });
}

function toDecode({ place, to }: WantedBlob, offset: number, at: number): BlobToDecode {
  const { id, length, uncompressedLength } = place;
  const blob = { id, offset, length, at, ...(to === undefined || to.length === 0 ? {} : { to }) };
  return uncompressedLength === undefined ? blob : { ...blob, uncompressedLength };
}

function failureOf(place: BlobPlace, state: string): BlobFailure {
  const { id, type, pack } = place;
  return { id, type, pack, message: `blob ${id} of pack ${pack} cannot be read: ${state}` };
}
