/**
 * Which blobs can still be read, by what is known of their packs. A blob in several
 * packs is lost only when every copy is.
 *
 * @module
 */

import type { BlobType, ObjectId } from "../../../../format/restic/model.ts";
import type { BlobIndex } from "../../blob-index.ts";
import type { BlobPlace } from "../../repository.ts";

/** What is known to be wrong with one pack. */
interface Trouble {
  /** Bytes that are there; blobs behind them are lost. */
  readonly sizeBytes: number;
  /** Of blobs that were read and found damaged, by `type id`. */
  readonly blobs: Map<string, string>;
}

/** Filled while packs are looked at, then asked about blobs. */
export class BlobJudge {
  readonly #index: BlobIndex;
  readonly #troubles = new Map<ObjectId, Trouble>();
  readonly #unread = new Set<ObjectId>();

  constructor(index: BlobIndex) {
    this.#index = index;
  }

  /** Notes a pack whose size is not the index's; 0 where it is missing. */
  packHasBytes(pack: ObjectId, sizeBytes: number): void {
    this.#troubles.set(pack, { sizeBytes, blobs: new Map() });
  }

  /** Notes a blob of a pack that was read and found damaged. */
  blobIsDamaged(
    pack: ObjectId,
    blob: { readonly id: ObjectId; readonly type: BlobType },
    state: string,
  ): void {
    this.packIsDamaged(pack);
    this.#troubles.get(pack)?.blobs.set(`${blob.type} ${blob.id}`, state);
  }

  /** Notes a pack in which something else than a blob is damaged. */
  packIsDamaged(pack: ObjectId): void {
    if (!this.#troubles.has(pack)) this.packHasBytes(pack, Number.POSITIVE_INFINITY);
  }

  /** Notes a pack of which the disk could not read some bytes: they may be right, and may be readable elsewhere. */
  packIsUnread(pack: ObjectId): void {
    this.packIsDamaged(pack);
    this.#unread.add(pack);
  }

  /** Whether {@link packIsUnread} was said of a pack. */
  isUnread(pack: ObjectId): boolean {
    return this.#unread.has(pack);
  }

  /** All packs of which something was noted. */
  damagedPacks(): ReadonlySet<ObjectId> {
    return new Set(this.#troubles.keys());
  }

  /** A sentence on why a blob cannot be read, or undefined where it can, as far as is known. */
  fault(id: ObjectId, type: BlobType): string | undefined {
    if (this.#troubles.size === 0 && this.#index.has(id, type)) return undefined;
    let fault = `blob ${id} is in no index`;
    for (const place of this.#index.findAll(id, type)) {
      const state = this.#stateOf(place);
      if (state === undefined) return undefined;
      fault = `blob ${id} of pack ${place.pack} cannot be read: ${state}`;
    }
    return fault;
  }

  #stateOf(place: BlobPlace): string | undefined {
    const trouble = this.#troubles.get(place.pack);
    if (trouble === undefined) return undefined;
    if (trouble.sizeBytes === 0) return "that pack is missing";
    if (place.offset + place.length > trouble.sizeBytes) return "that pack ends before it";
    return trouble.blobs.get(`${place.type} ${place.id}`);
  }
}
