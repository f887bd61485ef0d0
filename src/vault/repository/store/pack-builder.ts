/**
 * Fills packs with encrypted blobs of one type. Works in any thread, on buffers it
 * is given, and does no I/O. Layout: restic's `doc/design.rst`, "Pack Format".
 *
 * @module
 */

import { hash, randomFillSync } from "node:crypto";
import { compress } from "../../../encode/zstd.ts";
import { boxOverheadBytes, sealBoxInto } from "../../../format/restic/crypto-box.ts";
import type { BlobType, IndexedPack, MasterKey, ObjectId, PackedBlob } from "../../../format/restic/model.ts";
import { encodePackHeader } from "../../../format/restic/pack-header.ts";
import { compressBlob } from "./compress-blob.ts";

/** restic's default target. A pack that would become larger is closed before; only a single larger blob makes one. */
export const packBytes: number = 16 * 1024 * 1024;

/** Tiny blobs would come to a hundred thousand in one pack: what is kept of them until it is closed is bounded by this. */
const packBlobsMax = 25_000;

/** An entry of a pack's header with its plain length, 41 bytes; without, 37. */
const headerEntryBytesMax = 41;
const headerLengthBytes = 4;
/**
 * Packs open at once. A blob goes into one of them by chance, so that from the sizes of what lies beside
 * each other nobody tells which files they are (restic does the same since 0.18, after eprint 2025/532).
 */
const openPacks = 2;
const chanceBytes = 4096;

/** A pack ready to be stored. `bytes` begins at the start of a buffer of {@link packBytes} or more, which the receiver owns. */
export interface SealedPack extends IndexedPack {
  readonly bytes: Uint8Array<ArrayBuffer>;
}

export interface PackBuilderOptions {
  readonly key: MasterKey;
  readonly type: BlobType;
  /** Of the repository: version 1 knows no compression. */
  readonly version: 1 | 2;
  /** Of zstd. */
  readonly level: number;
  /** A buffer of {@link packBytes} to fill. */
  readonly takeBuffer: () => ArrayBuffer;
  /** Takes each pack that is full. */
  readonly onPack: (pack: SealedPack) => void;
}

interface OpenPack {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly blobs: PackedBlob[];
  length: number;
}

export class PackBuilder {
  readonly #options: PackBuilderOptions;
  readonly #open: (OpenPack | undefined)[] = new Array<undefined>(openPacks).fill(undefined);
  readonly #chance = Buffer.alloc(chanceBytes);
  #chanceAt = chanceBytes;

  constructor(options: PackBuilderOptions) {
    this.#options = options;
  }

  /** Compresses where that pays, encrypts and adds a blob. Returns the bytes it takes. */
  add(id: ObjectId, plain: Uint8Array): number {
    const { key } = this.#options;
    const frame = this.#frame(plain);
    const inside = frame ?? plain;
    const length = inside.length + boxOverheadBytes;
    const pack = this.#packFor(length);
    sealBoxInto(key, inside, pack.bytes, pack.length);
    this.#append(pack, id, length, frame === undefined ? undefined : plain.length);
    return length;
  }

  /** Adds a blob that is in its envelope already. */
  addSealed(id: ObjectId, box: Uint8Array, uncompressedLength: number | undefined): void {
    const pack = this.#packFor(box.length);
    pack.bytes.set(box, pack.length);
    this.#append(pack, id, box.length, uncompressedLength);
  }

  /** Closes what is open, also if it is not full. */
  finish(): void {
    for (let slot = 0; slot < openPacks; slot++) this.#close(slot);
  }

  #frame(plain: Uint8Array): Buffer | undefined {
    const { version, type, level } = this.#options;
    if (version < 2) return undefined;
    // Trees are always compressed in version 2, as restic does.
    return type === "tree" ? compress(plain, level) : compressBlob(plain, level);
  }

  #packFor(length: number): OpenPack {
    const slot = this.#chooseSlot();
    const pack = this.#open[slot];
    if (pack !== undefined) {
      const room = pack.bytes.length - pack.length - headerBytesMax(pack.blobs.length + 1);
      if (length <= room && pack.blobs.length < packBlobsMax) return pack;
      this.#close(slot);
    }
    const needed = length + headerBytesMax(1);
    const buffer = needed > packBytes ? new ArrayBuffer(needed) : this.#options.takeBuffer();
    const fresh: OpenPack = { bytes: new Uint8Array(buffer), blobs: [], length: 0 };
    this.#open[slot] = fresh;
    return fresh;
  }

  #append(pack: OpenPack, id: ObjectId, length: number, uncompressedLength: number | undefined): void {
    const { type } = this.#options;
    const plainLength = uncompressedLength === undefined ? {} : { uncompressedLength };
    pack.blobs.push({ id, type, offset: pack.length, length, ...plainLength });
    pack.length += length;
  }

  #close(slot: number): void {
    const pack = this.#open[slot];
    if (pack === undefined) return;
    this.#open[slot] = undefined;
    const { bytes, blobs } = pack;
    const header = encodePackHeader(blobs);
    const headerLength = sealBoxInto(this.#options.key, header, bytes, pack.length);
    const end = pack.length + headerLength;
    new DataView(bytes.buffer).setUint32(end, headerLength, true);
    const whole = bytes.subarray(0, end + headerLengthBytes);
    this.#options.onPack({ id: hash("sha256", whole, "hex"), bytes: whole, blobs });
  }

  #chooseSlot(): number {
    if (this.#chanceAt === chanceBytes) {
      randomFillSync(this.#chance);
      this.#chanceAt = 0;
    }
    return this.#chance[this.#chanceAt++]! % openPacks;
  }
}

function headerBytesMax(blobs: number): number {
  return blobs * headerEntryBytesMax + boxOverheadBytes + headerLengthBytes;
}
