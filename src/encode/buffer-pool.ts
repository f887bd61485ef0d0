/**
 * Buffers of one size that are used again and again: memory stays flat without
 * waiting for the garbage collector, which sees megabyte buffers late.
 *
 * @module
 */

/** Hands out buffers of one size. How many exist at once is bounded by its users, who give each one back once. */
export class BufferPool {
  readonly #sizeBytes: number;
  readonly #free: Buffer[] = [];

  constructor(sizeBytes: number) {
    this.#sizeBytes = sizeBytes;
  }

  /** A buffer with whatever its last user left in it. */
  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(this.#sizeBytes);
  }

  give(buffer: Buffer): void {
    this.#free.push(buffer);
  }
}
