/**
 * Stores blobs in a repository: those of files through threads that read the files
 * themselves, trees and single blobs in the thread of its caller. Nothing of it can
 * be seen until somebody names it; packs without an index are garbage for a prune (I8).
 *
 * @module
 */

import { hash } from "node:crypto";
import { boxOverheadBytes } from "../../../format/restic/crypto-box.ts";
import type { BlobType, ObjectId } from "../../../format/restic/model.ts";
import type { BlobIndex } from "../blob-index.ts";
import type { Repository } from "../repository.ts";
import type { AssertHeld } from "../save-index.ts";
import { defaultLevel } from "./compress-blob.ts";
import { WorkDoer } from "./do-work.ts";
import { PackBuilder, packBytes, type SealedPack } from "./pack-builder.ts";
import { abortedStore, PackUploads, type StorablePack } from "./pack-uploads.ts";
import { SharedBlobSet } from "./shared-blob-set.ts";
import { SmallWork } from "./small-work.ts";
import { StagedFiles, stagingPrefix } from "./staged-file.ts";
import type { StoreResult, StoreWork } from "./store-messages.ts";
import { StorePool } from "./store-pool.ts";

/** Packs made in the caller's thread that may be on their way before it has to wait. */
const ownPacksInFlight = 2;

export interface BlobStoreOptions {
  /** Of zstd, 1 to 9. */
  readonly level?: number | undefined;
  /** Asked about each index; throws where nothing may be added any more (I7). Left out where nobody removes anything. */
  readonly assertHeld?: AssertHeld;
}

export interface SavedBlob {
  readonly id: ObjectId;
  /** It was not there before. */
  readonly isNew: boolean;
}

/** What was added so far; of blobs of files, what threads have handed over. */
export interface AddedBlobs {
  readonly dataBlobs: number;
  readonly treeBlobs: number;
  /** Before compression. */
  readonly plainBytes: number;
  /** As they lie in packs. */
  readonly packedBytes: number;
}

/**
 * Opens a store. Blobs that `index` has are not stored again; packs are added to it as they become
 * durable. `signal` ends everything that is under way.
 */
export function openBlobStore(
  repo: Repository,
  index: BlobIndex,
  options: BlobStoreOptions,
  signal: AbortSignal,
): BlobStore {
  signal.throwIfAborted();
  return new BlobStore(repo, index, options, signal);
}

export class BlobStore {
  readonly #repo: Repository;
  readonly #index: BlobIndex;
  readonly #options: BlobStoreOptions;
  readonly #aborting = new AbortController();
  readonly #signal: AbortSignal;
  readonly #uploads: PackUploads;
  readonly #builders: Partial<Record<BlobType, PackBuilder>> = {};
  readonly #files: StagedFiles;
  readonly #freeBuffers: ArrayBuffer[] = [];
  /** Blobs of this thread whose packs are not durable, and so not in the index. Data only while there are no other threads. */
  readonly #fresh: Record<BlobType, Set<ObjectId>> = { data: new Set(), tree: new Set() };
  #known: SharedBlobSet | undefined;
  readonly #small = new SmallWork();
  #pool: StorePool | undefined;
  #ownDoer: WorkDoer | undefined;
  #ownBytesRead = 0;
  #ownPacks = 0;
  #added = { dataBlobs: 0, treeBlobs: 0, plainBytes: 0, packedBytes: 0 };
  #failure: { readonly error: unknown } | undefined;

  /** Use {@link openBlobStore}. */
  constructor(repo: Repository, index: BlobIndex, options: BlobStoreOptions, signal: AbortSignal) {
    this.#repo = repo;
    this.#index = index;
    this.#options = options;
    this.#files = new StagedFiles(stagingPrefix(repo));
    this.#signal = AbortSignal.any([signal, this.#aborting.signal]);
    const { assertHeld = () => Promise.resolve() } = options;
    this.#uploads = new PackUploads({ repo, index, assertHeld, signal: this.#signal });
  }

  get added(): AddedBlobs {
    return this.#added;
  }

  /** Bytes of files that were read so far. */
  get bytesRead(): number {
    return this.#ownBytesRead + (this.#pool?.bytesRead ?? 0);
  }

  /** Stores a blob unless it is there. Returns when it is accepted, which waits while too much is under way. */
  async saveBlob(type: BlobType, plain: Uint8Array): Promise<SavedBlob> {
    await this.room();
    return this.saveBlobNow(type, plain);
  }

  /** As {@link saveBlob}, for callers that wait for {@link room} now and then. */
  saveBlobNow(type: BlobType, plain: Uint8Array): SavedBlob {
    this.#throwIfFailed();
    const raw = hash("sha256", plain, "buffer");
    const id = raw.toString("hex");
    if (!this.#claim(type, id, raw)) return { id, isNew: false };
    this.#count(type, plain.length, this.#builder(type).add(id, plain));
    return { id, isNew: true };
  }

  /** Returns when more can be accepted. @throws what made the store fail */
  async room(): Promise<void> {
    this.#throwIfFailed();
    while (this.#ownPacks > ownPacksInFlight) {
      await this.#uploads.next();
      this.#throwIfFailed();
    }
  }

  /**
   * Has a thread do this. Wait for {@link poolRoom} first, unless others wait for it already (`urgent`).
   *
   * @param options.bytes What it comes to where that is little: then it may lie until {@link doSmall}
   */
  async run(
    work: StoreWork,
    options: { readonly urgent?: boolean; readonly bytes?: number } = {},
  ): Promise<StoreResult> {
    this.#throwIfFailed();
    const { bytes = Number.POSITIVE_INFINITY } = options;
    if (this.#pool !== undefined || !this.#small.fits(bytes))
      return await this.#openPool().run(work, options);
    return await this.#small.add(work, bytes);
  }

  /** Does what lies waiting because it is little. Call before waiting for any of it. */
  doSmall(): void {
    // Files may have grown since they were looked up.
    if (this.#small.hasGrown) this.#openPool();
    else this.#small.end((work) => this.#doer().run(work));
  }

  /** Returns when threads can be given more work. */
  async poolRoom(): Promise<void> {
    this.#throwIfFailed();
    await this.#pool?.room();
  }

  /** Has threads hand over the blobs of files, so that `added` knows of all. Call when all their work is done. */
  async flushFiles(): Promise<void> {
    this.#throwIfFailed();
    await this.#pool?.flush();
  }

  /** Returns when everything is durable and named by an index. Call when all work is done; more may follow. */
  async flush(): Promise<void> {
    this.#throwIfFailed();
    this.#builders.data?.finish();
    this.#builders.tree?.finish();
    await this.#pool?.flush();
    await this.#uploads.finish();
    this.#throwIfFailed();
  }

  /** Ends the threads, and what is under way. Also to be called after everything went well; may be called twice. */
  async close(): Promise<void> {
    this.#failure ??= { error: this.#signal.reason ?? abortedStore() };
    this.#aborting.abort();
    this.#small.fail(this.#failure.error);
    await this.#pool?.stop(this.#failure.error);
    this.#files.discard();
  }

  #claim(type: BlobType, id: ObjectId, raw: Uint8Array): boolean {
    if (type === "data" && this.#known !== undefined) return this.#known.claim(raw);
    if (this.#fresh[type].has(id) || this.#index.has(id, type)) return false;
    this.#fresh[type].add(id);
    return true;
  }

  #builder(type: BlobType): PackBuilder {
    const existing = this.#builders[type];
    if (existing !== undefined) return existing;
    const { key, config } = this.#repo;
    const builder = new PackBuilder({
      key,
      type,
      version: config.version,
      level: this.#options.level ?? defaultLevel,
      files: this.#files,
      takeBuffer: () => this.#freeBuffers.pop() ?? Buffer.allocUnsafeSlow(packBytes).buffer,
      onPack: (pack) => void this.#putOwn(pack),
    });
    this.#builders[type] = builder;
    return builder;
  }

  async #putOwn(pack: SealedPack): Promise<void> {
    this.#ownPacks++;
    try {
      const { blobs, content } = pack;
      await this.#uploads.put(pack);
      for (const { id, type } of blobs) this.#fresh[type].delete(id);
      if ("buffer" in content && content.buffer.byteLength === packBytes)
        this.#freeBuffers.push(content.buffer);
    } catch (error) {
      this.fail(error);
    } finally {
      this.#ownPacks--;
    }
  }

  #count(type: BlobType, plainBytes: number, packedBytes: number): void {
    if (type === "data") this.#added.dataBlobs++;
    else this.#added.treeBlobs++;
    this.#added.plainBytes += plainBytes;
    this.#added.packedBytes += packedBytes;
  }

  async #putOfThread(pack: StorablePack): Promise<void> {
    for (const { type, length, uncompressedLength } of pack.blobs) {
      this.#count(type, uncompressedLength ?? length - boxOverheadBytes, length);
    }
    await this.#uploads.put(pack);
  }

  /** Threads start with the first work: a backup in which nothing changed needs none. */
  #openPool(): StorePool {
    if (this.#pool !== undefined) return this.#pool;
    // Claims of this thread are made before those of others begin.
    const known = SharedBlobSet.create(this.#index.size);
    for (const { id, type } of this.#index.rawIds()) if (type === "data") known.claim(id);
    for (const id of this.#fresh.data) known.claim(Buffer.from(id, "hex"));
    this.#known = known;
    this.#pool = new StorePool({
      repo: this.#repo,
      level: this.#options.level ?? defaultLevel,
      known,
      putPack: (pack) => this.#putOfThread(pack),
      onFailure: (error) => this.fail(error),
    });
    const pool = this.#pool;
    this.#small.end((work) => pool.run(work));
    return pool;
  }

  #doer(): WorkDoer {
    this.#ownDoer ??= new WorkDoer({
      chunkerPolynomial: this.#repo.config.chunkerPolynomial,
      save: (plain) => this.saveBlobNow("data", plain).id,
      onBytes: (count) => {
        this.#ownBytesRead += count;
      },
      clock: this.#repo.clock,
      throwIfAborted: () => this.#throwIfFailed(),
    });
    return this.#ownDoer;
  }

  /** Makes everything fail with this, unless it has failed already. */
  fail(error: unknown): void {
    if (this.#failure !== undefined) return;
    // One that was aborted reports the abort, not what it broke.
    this.#failure = { error: this.#signal.aborted ? this.#signal.reason : error };
    this.#aborting.abort();
    this.#small.fail(this.#failure.error);
    void this.#pool?.stop(this.#failure.error);
  }

  #throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
    this.#signal.throwIfAborted();
  }
}
