/**
 * What changed in a file while it was copied: found under the lock, kept in
 * memory, written after the lock is gone.
 *
 * @module
 */

import { writeSync } from "node:fs";

/** Differences are kept in pieces of this size, the usual page: scattered small writes would make whole blocks large. */
const pieceBytes = 4096;
/** More than this is written to the copy at once, lock or no lock, so that memory stays bounded. */
const keptLimitBytes = 24 * 1024 * 1024;

/** Collects differences block by block, in any order. */
export class ChangedPieces {
  readonly #image: number;
  readonly #kept: { readonly position: number; readonly bytes: Buffer }[] = [];
  #keptBytes = 0;
  #end = 0;

  /** @param image - Descriptor of the copy, open for writing. */
  constructor(image: number) {
    this.#image = image;
  }

  /** Compares a block of the file with what the copy has there, which may be shorter. */
  add(position: number, now: Buffer, before: Buffer): void {
    if (now.length === before.length && now.equals(before)) return;
    if (before.length === 0) {
      this.#keep(position, now);
      return;
    }
    for (let start = 0; start < now.length; start += pieceBytes) {
      const piece = now.subarray(start, start + pieceBytes);
      if (piece.compare(before.subarray(start, start + pieceBytes)) !== 0)
        this.#keep(position + start, piece);
    }
  }

  /** Tells where the file ends. */
  endAt(size: number): void {
    this.#end = size;
  }

  /** Writes what was kept and answers the size the copy is to have. */
  write(): number {
    for (const { position, bytes } of this.#kept) writeFully(this.#image, bytes, position);
    this.#kept.length = 0;
    return this.#end;
  }

  #keep(position: number, bytes: Buffer): void {
    if (this.#keptBytes + bytes.length > keptLimitBytes) {
      writeFully(this.#image, bytes, position);
      return;
    }
    this.#kept.push({ position, bytes: Buffer.from(bytes) });
    this.#keptBytes += bytes.length;
  }
}

function writeFully(fd: number, bytes: Buffer, position: number): void {
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(fd, bytes, done, bytes.length - done, position + done);
  }
}
