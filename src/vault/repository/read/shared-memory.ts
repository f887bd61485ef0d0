/**
 * Memory that threads share and that is used again and again. Fresh memory costs more
 * than what is done with it; and what the collector counts would make it run all the time.
 *
 * @module
 */

/** Pieces have sizes that are powers of two, so that they fit the next need too; larger ones are not kept. */
const pieceBytesMin = 64 * 1024;
const pieceBytesMax = 8 * 1024 * 1024;

export class SharedMemory {
  readonly #bySize = new Map<number, SharedArrayBuffer[]>();
  readonly #bytesMax: number;
  #bytes = 0;

  /** @param bytesMax Kept between two uses */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** At least so many bytes, with whatever their last user left in them. */
  take(bytes: number): SharedArrayBuffer {
    const size = Math.max(pieceBytesMin, 2 ** Math.ceil(Math.log2(Math.max(1, bytes))));
    const kept = this.#bySize.get(size)?.pop();
    if (kept !== undefined) this.#bytes -= size;
    return kept ?? new SharedArrayBuffer(size > pieceBytesMax ? bytes : size);
  }

  /** Nobody may look at it any more. */
  give(memory: SharedArrayBuffer): void {
    const size = memory.byteLength;
    if (size > pieceBytesMax || this.#bytes + size > this.#bytesMax) return;
    this.#bytes += size;
    const same = this.#bySize.get(size);
    if (same === undefined) this.#bySize.set(size, [memory]);
    else same.push(memory);
  }
}
