/**
 * Fills packs with encrypted blobs of one type, in any thread, in files or in buffers
 * it is given. Layout: restic's `doc/design.rst`, "Pack Format".
 *
 * @module
 */

import { randomFillSync } from "node:crypto";
import { boxOverheadBytes, sealBox, sealBoxInto } from "../../../format/restic/crypto-box.ts";
import type { BlobType, IndexedPack, MasterKey, ObjectId } from "../../../format/restic/model.ts";
import { encodePackHeader } from "../../../format/restic/pack-header.ts";
import type { PreparedFile } from "../../../storage/storage.ts";
import { compressBlob, frameBlob } from "./compress-blob.ts";
import { OpenPack } from "./open-pack.ts";
import type { StagedFiles } from "./staged-file.ts";

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

/**
 * A pack ready to be stored: a file to be taken over, or bytes from the start of a buffer of {@link packBytes}
 * or more, which the receiver owns.
 */
export interface SealedPack extends IndexedPack {
  readonly content: Uint8Array<ArrayBuffer> | PreparedFile;
}

export interface PackBuilderOptions {
  readonly key: MasterKey;
  readonly type: BlobType;
  /** Of the repository: version 1 knows no compression. */
  readonly version: 1 | 2;
  /** Of zstd. */
  readonly level: number;
  /** Files for packs; where there are none, packs lie in memory until they are full. */
  readonly files: StagedFiles;
  /** A buffer of {@link packBytes} to fill. */
  readonly takeBuffer: () => ArrayBuffer;
  /** Takes each pack that is full. */
  readonly onPack: (pack: SealedPack) => void;
}

interface NewBlob {
  readonly id: ObjectId;
  readonly length: number;
  readonly uncompressedLength: number | undefined;
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
    const uncompressedLength = frame === undefined ? undefined : plain.length;
    this.#append({ id, length, uncompressedLength }, (target, at) => sealBoxInto(key, inside, target, at));
    return length;
  }

  /** Adds a blob that is in its envelope already. */
  addSealed(id: ObjectId, box: Uint8Array, uncompressedLength: number | undefined): void {
    this.#append({ id, length: box.length, uncompressedLength }, (target, at) => target.set(box, at));
  }

  /** Closes what is open, also if it is not full. */
  finish(): void {
    for (let slot = 0; slot < openPacks; slot++) this.#close(slot);
  }

  #frame(plain: Uint8Array): Uint8Array | undefined {
    const { version, type, level } = this.#options;
    if (version < 2) return undefined;
    // Trees are always compressed in version 2, as restic does.
    return type === "tree" ? frameBlob(plain, level) : compressBlob(plain, level);
  }

  #packFor(length: number): OpenPack {
    const slot = this.#chooseSlot();
    const pack = this.#open[slot];
    if (pack !== undefined) {
      const room = pack.limitBytes - pack.length - headerBytesMax(pack.blobs.length + 1);
      if (length <= room && pack.blobs.length < packBlobsMax) return pack;
      this.#close(slot);
    }
    const needed = length + headerBytesMax(1);
    const { files, takeBuffer } = this.#options;
    const fresh = new OpenPack({
      file: files.create(),
      takeBuffer: needed > packBytes ? () => new ArrayBuffer(needed) : takeBuffer,
      limitBytes: Math.max(needed, packBytes),
    });
    this.#open[slot] = fresh;
    return fresh;
  }

  #append({ id, length, uncompressedLength }: NewBlob, fill: (target: Uint8Array, at: number) => void): void {
    const { type } = this.#options;
    const pack = this.#packFor(length);
    const plainLength = uncompressedLength === undefined ? {} : { uncompressedLength };
    pack.blobs.push({ id, type, offset: pack.length, length, ...plainLength });
    pack.add(length, fill);
  }

  #close(slot: number): void {
    const pack = this.#open[slot];
    if (pack === undefined) return;
    this.#open[slot] = undefined;
    const { key, onPack } = this.#options;
    const { blobs } = pack;
    const box = sealBox(key, encodePackHeader(blobs));
    pack.add(box.length, (target, at) => target.set(box, at));
    pack.add(headerLengthBytes, (target, at) => viewOf(target).setUint32(at, box.length, true));
    onPack({ ...pack.end(), blobs });
  }

  #chooseSlot(): number {
    if (this.#chanceAt === chanceBytes) {
      randomFillSync(this.#chance);
      this.#chanceAt = 0;
    }
    return this.#chance[this.#chanceAt++]! % openPacks;
  }
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}

function headerBytesMax(blobs: number): number {
  return blobs * headerEntryBytesMax + boxOverheadBytes + headerLengthBytes;
}
