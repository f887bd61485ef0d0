/**
 * Stores packs, and then the indexes that name them (I1): an index never names a
 * pack that is not durable. Indexes are written as the run goes, so that what an
 * interrupted run stored is found by the next.
 *
 * @module
 */

import { BackupError, isBackupError } from "../../../domain/error.ts";
import type { IndexedPack } from "../../../format/restic/model.ts";
import type { BlobIndex } from "../blob-index.ts";
import { packName } from "../objects.ts";
import type { PreparedFile } from "../../../storage/storage.ts";
import type { Repository } from "../repository.ts";
import { type AssertHeld, saveIndexHeld } from "../save-index.ts";

/** restic's own bound of an index file. */
const indexBlobsMax = 50_000;
/** What an interrupted run may have stored in vain. */
const indexIntervalMs = 5 * 60_000;

/** A pack, and what is to be put. */
export interface StorablePack extends IndexedPack {
  readonly content: Uint8Array | PreparedFile;
}

export interface PackUploadsOptions {
  readonly repo: Repository;
  /** Learns of every pack that is durable. */
  readonly index: BlobIndex;
  /** Asked about each index; throws where nothing may be added any more. */
  readonly assertHeld: AssertHeld;
  /** Ends all that is under way. */
  readonly signal: AbortSignal;
}

export class PackUploads {
  readonly #options: PackUploadsOptions;
  readonly #inFlight = new Set<Promise<void>>();
  #pending: IndexedPack[] = [];
  #pendingBlobs = 0;
  #indexedAtMs: number;
  #indexing: Promise<void> = Promise.resolve();

  constructor(options: PackUploadsOptions) {
    this.#options = options;
    this.#indexedAtMs = options.repo.clock.elapsed();
  }

  /** Returns when the pack is durable and its content is no longer needed. Any number at once. */
  async put(pack: StorablePack): Promise<void> {
    const put = this.#put(pack);
    this.#inFlight.add(put);
    try {
      await put;
    } finally {
      this.#inFlight.delete(put);
    }
    await this.#indexIfDue();
  }

  /** Returns when one more of the packs under way is durable, or none is under way. Failures are not its business. */
  async next(): Promise<void> {
    if (this.#inFlight.size > 0)
      await Promise.race([...this.#inFlight].map((put) => put.catch(() => undefined)));
  }

  /** Returns when all packs are durable and named by an index. Call when no more come. */
  async finish(): Promise<void> {
    await Promise.all(this.#inFlight);
    await this.#writeIndex();
  }

  async #put({ id, blobs, content }: StorablePack): Promise<void> {
    const { repo, index, signal } = this.#options;
    signal.throwIfAborted();
    try {
      await repo.storage.put(packName(id), content, signal);
    } catch (error) {
      // Its name is the hash of its bytes: an answer was lost, and this is the second try.
      if (!isBackupError(error, "exists")) throw error;
    }
    const pack: IndexedPack = { id, blobs };
    index.add(pack);
    this.#pending.push(pack);
    this.#pendingBlobs += blobs.length;
  }

  async #indexIfDue(): Promise<void> {
    const isOld = this.#options.repo.clock.elapsed() - this.#indexedAtMs >= indexIntervalMs;
    if (this.#pendingBlobs >= indexBlobsMax || (isOld && this.#pending.length > 0)) await this.#writeIndex();
  }

  /** One after the other, so that `finish` knows when all are written. */
  #writeIndex(): Promise<void> {
    const packs = this.#pending;
    this.#pending = [];
    this.#pendingBlobs = 0;
    this.#indexedAtMs = this.#options.repo.clock.elapsed();
    this.#indexing = this.#indexing.then(() => this.#saveIndex(packs));
    return this.#indexing;
  }

  async #saveIndex(packs: readonly IndexedPack[]): Promise<void> {
    if (packs.length === 0) return;
    const { repo, assertHeld, signal } = this.#options;
    await saveIndexHeld(repo, packs, assertHeld, signal);
  }
}

/** What is thrown by a store that was given up. */
export function abortedStore(): BackupError {
  return new BackupError("bug", "Cannot store a blob: the run was given up");
}
