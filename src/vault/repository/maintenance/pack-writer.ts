/**
 * Writes blobs into new packs, for maintenance: one thread, few packs in flight. What
 * was written is in no index until the caller writes one.
 *
 * @module
 */

import { isBackupError } from "../../../domain/error.ts";
import type { BlobType, IndexedPack, ObjectId } from "../../../format/restic/model.ts";
import { packName } from "../objects.ts";
import type { Repository } from "../repository.ts";
import { defaultLevel } from "../store/compress-blob.ts";
import { PackBuilder, packBytes, type SealedPack } from "../store/pack-builder.ts";
import { StagedFiles, stagingPrefix } from "../store/staged-file.ts";

/** Packs being stored at once: one is filled while others go out. */
const packsInFlight = 2;

/** Everything of it is lost where it is not finished; packs that were stored by then are in no index. */
export class PackWriter {
  readonly #repo: Repository;
  readonly #signal: AbortSignal;
  readonly #files: StagedFiles;
  readonly #builders = new Map<BlobType, PackBuilder>();
  readonly #buffers: ArrayBuffer[] = [];
  readonly #written: IndexedPack[] = [];
  readonly #putting = new Set<Promise<void>>();
  #failure: { readonly error: unknown } | undefined;

  constructor(repo: Repository, signal: AbortSignal) {
    this.#repo = repo;
    this.#files = new StagedFiles(stagingPrefix(repo));
    this.#signal = signal;
  }

  /** Compresses and encrypts a blob. */
  async add(id: ObjectId, type: BlobType, plain: Uint8Array): Promise<void> {
    this.#builder(type).add(id, plain);
    await this.#settle(packsInFlight);
  }

  /** Takes a blob as it lay in another pack. The bytes are the caller's again at once. */
  async addSealed(
    id: ObjectId,
    type: BlobType,
    box: Uint8Array,
    uncompressedLength: number | undefined,
  ): Promise<void> {
    this.#builder(type).addSealed(id, box, uncompressedLength);
    await this.#settle(packsInFlight);
  }

  /** All packs that were written, durable on return (I1). */
  async finish(): Promise<readonly IndexedPack[]> {
    for (const builder of this.#builders.values()) builder.finish();
    await this.#settle(0);
    return this.#written;
  }

  /** Waits for packs that are on their way, so that nothing goes on after a failure. */
  async abort(): Promise<void> {
    await Promise.allSettled(this.#putting);
    this.#files.discard();
  }

  #builder(type: BlobType): PackBuilder {
    let builder = this.#builders.get(type);
    if (builder === undefined) {
      const { key, config } = this.#repo;
      builder = new PackBuilder({
        key,
        type,
        version: config.version,
        level: defaultLevel,
        files: this.#files,
        // Not zeroed: only what was written of it is stored.
        takeBuffer: () => this.#buffers.pop() ?? Buffer.allocUnsafeSlow(packBytes).buffer,
        onPack: (pack) => this.#put(pack),
      });
      this.#builders.set(type, builder);
    }
    return builder;
  }

  #put(pack: SealedPack): void {
    const putting = this.#store(pack).then(
      () => void this.#putting.delete(putting),
      (error: unknown) => {
        this.#putting.delete(putting);
        this.#failure ??= { error };
      },
    );
    this.#putting.add(putting);
  }

  async #store({ id, content, blobs }: SealedPack): Promise<void> {
    try {
      await this.#repo.storage.put(packName(id), content, this.#signal);
    } catch (error) {
      // The name says what the bytes are: an answer was lost, and this is the second try.
      if (!isBackupError(error, "exists")) throw error;
    }
    this.#written.push({ id, blobs });
    if ("buffer" in content && content.buffer.byteLength === packBytes) this.#buffers.push(content.buffer);
  }

  async #settle(inFlightMax: number): Promise<void> {
    while (this.#putting.size > inFlightMax) await Promise.race(this.#putting);
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}
