/**
 * What the indexes say about packs, as arithmetic over typed arrays: which blobs of
 * which pack are needed. One pass over the index fills it; nothing is read. Twelve
 * bytes a blob, so that a million of them stay bounded.
 *
 * @module
 */

import type { BlobType, IndexedPack, ObjectId, PackedBlob } from "../../../../format/restic/model.ts";
import type { BlobSet } from "../blob-set.ts";
import { bytesInPack, headerFrameBytes } from "../pack-bytes.ts";

/** A pack, and how much of it is needed. */
export interface TabledPack {
  readonly id: ObjectId;
  /** Size the file must have. */
  bytes: number;
  /** `mixed` where it holds both data and trees, as version 1 allows. */
  type: BlobType | "mixed";
  /** Holds a blob that is not compressed. */
  plain: boolean;
  blobs: number;
  blobBytes: number;
  /** Blobs that are needed and that this pack is the one to give. */
  usedBlobs: number;
  usedBytes: number;
  /** Blobs that are needed, and that other packs hold too. */
  copies: number;
}

/** What is kept about a needed blob while copies are chosen: 0 to `countMax` is how often it is stored. */
const countMax = 253;
/** All copies but one were passed over. */
const lastCopy = 254;
/** The copy that counts as used was found. */
const settled = 255;

/** Packs and their blobs, in the order of the index. */
export class PackTable {
  readonly packs: TabledPack[] = [];
  readonly #used: BlobSet;
  readonly #packNumbers = new Map<ObjectId, number>();
  /** By ordinal of the needed blob. */
  readonly #states: Uint8Array;
  /** Of each entry: its pack, its blob's ordinal + 1 (0 where not needed), and its length. */
  #packOf: Uint32Array = new Uint32Array(1024);
  #blobOf: Uint32Array = new Uint32Array(1024);
  #lengthOf: Uint32Array = new Uint32Array(1024);
  #entries = 0;

  /** @param used every blob that some backup needs; nothing may be added to it afterwards */
  constructor(used: BlobSet) {
    this.#used = used;
    this.#states = new Uint8Array(used.size);
  }

  /** Adds a pack with all its blobs, each pack once. */
  add({ id, blobs }: IndexedPack): void {
    this.#packNumbers.set(id, this.packs.length);
    const pack: TabledPack = {
      id,
      bytes: headerFrameBytes,
      type: blobs[0]?.type ?? "data",
      plain: false,
      blobs: blobs.length,
      blobBytes: 0,
      usedBlobs: 0,
      usedBytes: 0,
      copies: 0,
    };
    for (const blob of blobs) {
      pack.bytes += bytesInPack(blob);
      pack.blobBytes += blob.length;
      if (blob.type !== pack.type) pack.type = "mixed";
      if (blob.uncompressedLength === undefined) pack.plain = true;
      this.#addEntry(blob);
    }
    this.packs.push(pack);
  }

  /** Number of a pack in `packs`, or undefined where no index lists it. */
  numberOf(pack: ObjectId): number | undefined {
    return this.#packNumbers.get(pack);
  }

  /** Needed blobs that no pack holds, `limit` of them at most. */
  missing(limit: number): { readonly id: ObjectId; readonly type: BlobType }[] {
    const found: { id: ObjectId; type: BlobType }[] = [];
    for (let blob = this.#states.indexOf(0); blob >= 0; blob = this.#states.indexOf(0, blob + 1)) {
      if (found.push(this.#used.at(blob)) >= limit) break;
    }
    return found;
  }

  /**
   * Decides for every needed blob which one of its packs gives it. Of several, one that stays anyway:
   * because it gives others, or because it holds nothing but copies, as a prune that was cut short
   * leaves it. Call once, when all packs are added and none is missing.
   */
  chooseCopies(): void {
    this.#useSingles();
    for (let entry = 0; entry < this.#entries; entry++) {
      const blob = (this.#blobOf[entry] as number) - 1;
      if (blob < 0) continue;
      const state = this.#states[blob] as number;
      if (state === settled) continue;
      const pack = this.packs[this.#packOf[entry] as number] as TabledPack;
      if (state === lastCopy || pack.usedBlobs > 0 || pack.copies === pack.blobs) this.#use(entry, blob);
      else this.#states[blob] = state === 2 ? lastCopy : state - 1;
    }
  }

  /**
   * Of each needed blob, by ordinal, 1 where it must be copied because no pack that stays holds it.
   *
   * @param stays by number of the pack
   */
  blobsToCopy(stays: (pack: number) => boolean): Uint8Array {
    const wanted = new Uint8Array(this.#used.size).fill(1);
    for (let entry = 0; entry < this.#entries; entry++) {
      const blob = (this.#blobOf[entry] as number) - 1;
      if (blob >= 0 && stays(this.#packOf[entry] as number)) wanted[blob] = 0;
    }
    return wanted;
  }

  #addEntry(blob: PackedBlob): void {
    if (this.#entries === this.#packOf.length) {
      this.#packOf = doubled(this.#packOf);
      this.#blobOf = doubled(this.#blobOf);
      this.#lengthOf = doubled(this.#lengthOf);
    }
    const ordinal = this.#used.ordinalOf(blob.id, blob.type);
    this.#packOf[this.#entries] = this.packs.length;
    this.#blobOf[this.#entries] = ordinal + 1;
    this.#lengthOf[this.#entries++] = blob.length;
    if (ordinal < 0) return;
    const count = this.#states[ordinal] as number;
    // Beyond the most that is counted, the copies that come last are not chosen; nothing is lost.
    if (count < countMax) this.#states[ordinal] = count + 1;
  }

  #useSingles(): void {
    for (let entry = 0; entry < this.#entries; entry++) {
      const blob = (this.#blobOf[entry] as number) - 1;
      if (blob < 0) continue;
      if (this.#states[blob] === 1) this.#use(entry, blob);
      else (this.packs[this.#packOf[entry] as number] as TabledPack).copies++;
    }
  }

  #use(entry: number, blob: number): void {
    const pack = this.packs[this.#packOf[entry] as number] as TabledPack;
    pack.usedBlobs++;
    pack.usedBytes += this.#lengthOf[entry] as number;
    this.#states[blob] = settled;
  }
}

function doubled(array: Uint32Array): Uint32Array {
  const larger = new Uint32Array(array.length * 2);
  larger.set(array);
  return larger;
}
