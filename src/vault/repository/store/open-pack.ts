/**
 * A pack that is being filled: in a file, of which only the newest bytes lie in memory, or
 * in one buffer where there can be no file. Bytes are hashed while they are in the cache.
 *
 * @module
 */

import { createHash, hash } from "node:crypto";
import { BackupError } from "../../../domain/error.ts";
import type { ObjectId, PackedBlob } from "../../../format/restic/model.ts";
import type { PreparedFile } from "../../../storage/storage.ts";
import type { StagedFile } from "./staged-file.ts";

/** Of a pack in a file, what may lie in memory. */
const gatheredBytes = 512 * 1024;

/** Writes some bytes at a place; nothing else of the target may be touched. */
type Fill = (target: Uint8Array, at: number) => void;

/** Where what is larger than what is gathered gets its envelope: one for each thread, nothing stays in it. */
let passage: Uint8Array<ArrayBuffer> = new Uint8Array(0);

export interface PackPlace {
  /** Undefined where the pack is to lie in memory. */
  readonly file: StagedFile | undefined;
  /** Memory of `limitBytes`; asked for where there is no file, or where writing to it failed. */
  readonly takeBuffer: () => ArrayBuffer;
  /** What the pack may come to. */
  readonly limitBytes: number;
}

export class OpenPack {
  readonly blobs: PackedBlob[] = [];
  readonly limitBytes: number;
  readonly #takeBuffer: () => ArrayBuffer;
  #file: StagedFile | undefined;
  /** All bytes, or those that are not in the file yet. */
  #bytes: Uint8Array<ArrayBuffer>;
  #used = 0;
  #length = 0;
  readonly #hash = createHash("sha256");

  constructor({ file, takeBuffer, limitBytes }: PackPlace) {
    this.limitBytes = limitBytes;
    this.#takeBuffer = takeBuffer;
    this.#file = file;
    this.#bytes = file === undefined ? new Uint8Array(takeBuffer()) : new Uint8Array(gatheredBytes);
  }

  /** Bytes so far. */
  get length(): number {
    return this.#length;
  }

  /** Adds `count` bytes that `fill` writes. */
  add(count: number, fill: Fill): void {
    if (count > this.#bytes.length - this.#used) this.#flush();
    // The flush may have ended the file.
    const file = this.#file;
    if (file !== undefined && count > this.#bytes.length) {
      if (passage.length < count) passage = new Uint8Array(count);
      fill(passage, 0);
      this.#write(file, passage.subarray(0, count));
    } else {
      fill(this.#bytes, this.#used);
      this.#used += count;
    }
    this.#length += count;
  }

  /** Ends it. Its content begins at the start of a buffer that is the caller's now, or is a file. */
  end(): { readonly id: ObjectId; readonly content: Uint8Array<ArrayBuffer> | PreparedFile } {
    this.#flush();
    const file = this.#file;
    if (file !== undefined) {
      this.#bytes.buffer.transfer(0);
      return { id: this.#hash.digest("hex"), content: handOver(file) };
    }
    const content = this.#bytes.subarray(0, this.#used);
    return { id: hash("sha256", content, "hex"), content };
  }

  /** Nothing where all lies in memory. */
  #flush(): void {
    const file = this.#file;
    if (file === undefined) return;
    const bytes = this.#bytes.subarray(0, this.#used);
    this.#used = 0;
    this.#write(file, bytes);
  }

  #write(file: StagedFile, bytes: Uint8Array): void {
    try {
      file.append(bytes);
      this.#hash.update(bytes);
    } catch {
      this.#goToMemory(file, bytes);
    }
  }

  /** When the pack is put the storage meets what was met here, and says what it means. */
  #goToMemory(file: StagedFile, newest: Uint8Array): void {
    const whole = new Uint8Array(this.#takeBuffer());
    const before = file.sizeBytes;
    this.#file = undefined;
    try {
      file.takeBack(whole);
    } catch (error) {
      throw notStored(error);
    }
    // A disk that fails may have lost what it took, and give zeros for it.
    if (hash("sha256", whole.subarray(0, before), "hex") !== this.#hash.digest("hex")) throw notStored();
    whole.set(newest, before);
    this.#bytes = whole;
    this.#used = before + newest.length;
  }
}

function handOver(file: StagedFile): PreparedFile {
  try {
    return file.handOver();
  } catch (error) {
    throw notStored(error);
  }
}

function notStored(cause?: unknown): BackupError {
  return new BackupError("storage-unavailable", "Cannot store a pack: the disk fails", { cause });
}
