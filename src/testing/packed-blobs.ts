/**
 * Blobs in packs of a small repository, for tests of what reads them. Imported by tests only.
 *
 * @module
 */

import { hash } from "node:crypto";
import type { ObjectId } from "../format/restic/model.ts";
import { MemoryStorage } from "../storage/memory-storage.ts";
import type { Storage } from "../storage/storage.ts";
import { BlobIndex } from "../vault/repository/blob-index.ts";
import { PackWriter } from "../vault/repository/maintenance/pack-writer.ts";
import { packName } from "../vault/repository/objects.ts";
import { BlobFetcher } from "../vault/repository/read/blob-fetch.ts";
import { BlobThreads } from "../vault/repository/read/blob-threads.ts";
import type { Repository } from "../vault/repository/repository.ts";
import { openTestRepository } from "./test-repository.ts";
import { signal } from "./vault-probe.ts";

/** Blobs in packs, and how they are read. */
export class PackedBlobs implements AsyncDisposable {
  readonly repo: Repository;
  readonly index: BlobIndex = new BlobIndex();
  readonly fetcher: BlobFetcher;
  readonly #threads: BlobThreads;

  private constructor(repo: Repository) {
    this.repo = repo;
    this.#threads = new BlobThreads(repo.key);
    this.fetcher = new BlobFetcher(repo, this.index, this.#threads);
  }

  static async open(storage: Storage = new MemoryStorage()): Promise<PackedBlobs> {
    return new PackedBlobs(await openTestRepository(storage));
  }

  /** Stores blobs in packs of their own, and returns the packs' ids. */
  async store(...blobs: readonly Buffer[]): Promise<readonly ObjectId[]> {
    const writer = new PackWriter(this.repo, signal);
    for (const plain of blobs) await writer.add(blobIdOf(plain), "data", plain);
    const packs = await writer.finish();
    for (const pack of packs) this.index.add(pack);
    return packs.map(({ id }) => id);
  }

  /** Breaks the first blob of a pack. */
  async damage(pack: ObjectId): Promise<void> {
    const name = packName(pack);
    const pieces = await Array.fromAsync(this.repo.storage.get(name, undefined, signal));
    await this.repo.storage.remove([name], signal);
    const changed = Buffer.concat(pieces);
    changed[40] = (changed[40] ?? 0) ^ 1;
    await this.repo.storage.put(name, changed, signal);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#threads[Symbol.asyncDispose]();
  }
}

/** The id of a blob of these bytes. */
export function blobIdOf(plain: Buffer): ObjectId {
  return hash("sha256", plain, "hex");
}

/** Things in groups of three, as a walk hands them out. */
export async function* inGroups<T>(things: readonly T[]): AsyncGenerator<readonly T[]> {
  for (let i = 0; i < things.length; i += 3) yield things.slice(i, i + 3);
}
