/**
 * Memory that threads share and that is used again and again. Fresh memory costs more
 * than what is done with it; and what the collector counts would make it run all the time.
 *
 * @module
 */

/** Blocks come in few sizes, so that one fits the next need too. Larger ones are made to measure, and not kept. */
const blockSizes: readonly number[] = [64 * 1024, 1024 * 1024, 4 * 1024 * 1024, 8 * 1024 * 1024];

/** Keeps what it is given back, of each size as many blocks as were once needed together. */
export class SharedMemory {
  readonly #free = new Map<number, SharedArrayBuffer[]>(blockSizes.map((size) => [size, []]));

  /** At least so many bytes, with whatever their last user left in them. */
  take(bytes: number): SharedArrayBuffer {
    const size = blockSizes.find((one) => one >= bytes) ?? bytes;
    return this.#free.get(size)?.pop() ?? new SharedArrayBuffer(size);
  }

  /** Nobody may look at it any more. */
  give(block: SharedArrayBuffer): void {
    this.#free.get(block.byteLength)?.push(block);
  }
}
