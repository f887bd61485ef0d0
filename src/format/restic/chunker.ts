/**
 * Content-defined chunks as restic cuts them, so that the same bytes give the same blobs whoever
 * stores them. Source: `doc/design.rst`, "Backups and Deduplication"; the arithmetic is in `wasm/chunker.ts`.
 *
 * @module
 */

import { BackupError } from "../../domain/error.ts";
import { chunkerKernel } from "./generated/kernels.ts";
import { type KernelAddress, type KernelExports, startKernel } from "./kernel.ts";

interface ChunkerExports extends KernelExports {
  readonly buffer: KernelAddress;
  prepare(polynomial: bigint): void;
  scan(first: number, last: number): number;
}

/** A chunk has at least this many bytes, unless it is the last of a file. */
export const minChunkBytes: number = 512 * 1024;
/** A chunk has at most this many bytes. */
export const maxChunkBytes: number = 8 * 1024 * 1024;

/** Two of the largest chunks: one to be cut while the bytes of the next come in. */
const defaultBufferBytes = 2 * maxChunkBytes;
const memoryPageBytes = 65_536;
const wantedDegree = 53n;

/** Cuts what its caller puts into its buffer. Cheap to keep, dear to make: one for each thread. */
export class Chunker {
  /** The caller fills it, anywhere and in any way. Bytes of a chunk stay where they are until it is cut. */
  readonly buffer: Uint8Array;
  readonly #kernel: ChunkerExports;
  readonly #bufferStart: number;
  /** The chunk that was last found incomplete, and up to where it has no cut. */
  #pendingStart = -1;
  #scannedTo = 0;

  constructor(polynomial: bigint, bufferBytes: number = defaultBufferBytes) {
    if (polynomial >> wantedDegree !== 1n) {
      throw new BackupError(
        "damaged",
        `Cannot cut chunks: the polynomial ${polynomial.toString(16)} is not of degree 53`,
      );
    }
    this.#kernel = startKernel<ChunkerExports>(chunkerKernel);
    this.#bufferStart = this.#kernel.buffer.value;
    const { memory } = this.#kernel;
    const missingBytes = this.#bufferStart + bufferBytes - memory.buffer.byteLength;
    memory.grow(Math.ceil(Math.max(0, missingBytes) / memoryPageBytes));
    this.buffer = new Uint8Array(memory.buffer, this.#bufferStart, bufferBytes);
    this.#kernel.prepare(polynomial);
  }

  /**
   * Length of the chunk that begins at `start`, of the bytes from there to `end`; undefined where more bytes
   * are needed to tell, or where there are none. `isEnd`: the file has no more.
   *
   * Asked again for the same `start`, it goes on where it stopped: call {@link forget} first
   * if the bytes there are no longer the same, as after a file that was given up.
   */
  chunkLength(start: number, end: number, isEnd: boolean): number | undefined {
    const available = end - start;
    if (start < 0 || end > this.buffer.length || available < 0) {
      throw new BackupError(
        "bug",
        `Cannot cut a chunk from ${start} to ${end}: the buffer has ${this.buffer.length} bytes`,
      );
    }
    const length = this.#findCut(start, Math.min(available, maxChunkBytes));
    if (length !== undefined || (isEnd && available > 0)) {
      this.forget();
      return length ?? available;
    }
    return undefined;
  }

  /** Makes the next {@link chunkLength} begin afresh, whatever its start. */
  forget(): void {
    this.#pendingStart = -1;
  }

  #findCut(start: number, available: number): number | undefined {
    if (available < minChunkBytes) return undefined;
    const scanned = this.#pendingStart === start ? this.#scannedTo : 0;
    const first = Math.max(minChunkBytes, scanned + 1);
    if (first <= available) {
      const origin = this.#bufferStart + start;
      const cut = this.#kernel.scan(origin + first, origin + available);
      if (cut !== 0) return cut - origin;
    }
    if (available === maxChunkBytes) return maxChunkBytes;
    this.#pendingStart = start;
    this.#scannedTo = available;
    return undefined;
  }
}
