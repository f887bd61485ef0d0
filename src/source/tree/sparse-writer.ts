/**
 * Writes a file and leaves long runs of zeros as holes, so that a sparse disk
 * image or database takes no more room restored than it did before.
 *
 * @module
 */

import { ftruncateSync, writeSync } from "node:fs";

/** Shorter runs are written: a hole costs an extent, and reading across many is slow. */
const holeBytesMin = 64 * 1024;

/** Zeros are looked for in pieces that lie on the file system's own block boundaries. */
const pieceBytes = 4096;

const zeros = Buffer.alloc(holeBytesMin);

export class SparseWriter {
  readonly #descriptor: number;
  /** Where the next chunk belongs. */
  #position = 0;
  /** Zeros before `#position` that are not written yet. */
  #pendingZeros = 0;

  /** @param descriptor Of an empty file. It stays the caller's. */
  constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  /** Writes the next bytes. The chunk may be reused at once. */
  write(chunk: Uint8Array): void {
    let offset = 0;
    while (offset < chunk.length) {
      const zeroEnd = this.#endOfZeros(chunk, offset);
      if (zeroEnd > offset) {
        this.#skip(zeroEnd - offset);
        offset = zeroEnd;
      } else {
        const dataEnd = this.#endOfData(chunk, offset);
        this.#put(chunk, offset, dataEnd);
        offset = dataEnd;
      }
    }
  }

  /** Gives the file its full length. Call it once, at the end. */
  end(): void {
    if (this.#pendingZeros > 0) ftruncateSync(this.#descriptor, this.#position);
  }

  #skip(bytes: number): void {
    this.#pendingZeros += bytes;
    this.#position += bytes;
  }

  #put(chunk: Uint8Array, start: number, end: number): void {
    if (this.#pendingZeros > 0 && this.#pendingZeros < holeBytesMin) {
      writeAll(this.#descriptor, zeros.subarray(0, this.#pendingZeros), this.#position - this.#pendingZeros);
    }
    this.#pendingZeros = 0;
    writeAll(this.#descriptor, chunk.subarray(start, end), this.#position);
    this.#position += end - start;
  }

  /** Offset of the first piece from `offset` on that is not all zeros. */
  #endOfZeros(chunk: Uint8Array, offset: number): number {
    let end = offset;
    while (end < chunk.length) {
      const pieceEnd = this.#pieceEnd(chunk, offset, end);
      if (!isZero(chunk, end, pieceEnd)) return end;
      end = pieceEnd;
    }
    return end;
  }

  /** Offset of the first piece after `offset` where a run of zeros starts that is worth a look. */
  #endOfData(chunk: Uint8Array, offset: number): number {
    let end = this.#pieceEnd(chunk, offset, offset);
    while (end < chunk.length && !this.#startsHole(chunk, offset, end)) {
      end = this.#pieceEnd(chunk, offset, end);
    }
    return end;
  }

  /** A run inside the chunk must be long; one at its end may go on in the next. */
  #startsHole(chunk: Uint8Array, offset: number, start: number): boolean {
    if (chunk[start] !== 0) return false;
    let end = start;
    while (end < chunk.length && end - start < holeBytesMin) {
      const pieceEnd = this.#pieceEnd(chunk, offset, end);
      if (!isZero(chunk, end, pieceEnd)) return false;
      end = pieceEnd;
    }
    return true;
  }

  /** End of the piece at `at`, where `offset` of the chunk belongs at `#position`. */
  #pieceEnd(chunk: Uint8Array, offset: number, at: number): number {
    const place = this.#position + at - offset;
    return Math.min(chunk.length, at + pieceBytes - (place % pieceBytes));
  }
}

function isZero(chunk: Uint8Array, start: number, end: number): boolean {
  // Nearly all data is told by its first byte, which spares the call.
  if (chunk[start] !== 0) return false;
  return zeros.compare(chunk, start, end, 0, end - start) === 0;
}

/** Writes all of it: one call may take only a part, on a disk that is nearly full for example. */
function writeAll(descriptor: number, bytes: Uint8Array, position: number): void {
  let done = 0;
  while (done < bytes.length) {
    done += writeSync(descriptor, bytes, done, bytes.length - done, position + done);
  }
}
