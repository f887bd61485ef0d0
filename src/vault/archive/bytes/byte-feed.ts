/**
 * Cuts a stream of chunks into pieces of given lengths.
 *
 * @module
 */

import { BackupError } from "../../../domain/error.ts";

/** Reads a stream piece by piece. Close it when not read to the end. */
export class ByteFeed implements AsyncDisposable {
  readonly #name: string;
  readonly #chunks: AsyncIterator<Uint8Array>;
  #chunk: Uint8Array = new Uint8Array(0);
  #at = 0;

  /** `name` is for messages. Chunks must stay as they are after the next is asked for. */
  constructor(chunks: AsyncIterable<Uint8Array>, name: string) {
    this.#chunks = chunks[Symbol.asyncIterator]();
    this.#name = name;
  }

  /**
   * The next `length` bytes, in `target` or in memory nobody else changes.
   *
   * @throws {BackupError} `damaged` if the stream ends before
   */
  async take(length: number, target: Buffer = Buffer.allocUnsafe(length)): Promise<Buffer> {
    let done = 0;
    while (done < length) {
      if (this.#at === this.#chunk.length && !(await this.#next())) {
        throw new BackupError("damaged", `Cannot read ${this.#name}: it ends too early`);
      }
      const count = Math.min(length - done, this.#chunk.length - this.#at);
      target.set(this.#chunk.subarray(this.#at, this.#at + count), done);
      this.#at += count;
      done += count;
    }
    return target.subarray(0, length);
  }

  /** Tells whether there is nothing left. */
  async ended(): Promise<boolean> {
    while (this.#at === this.#chunk.length) if (!(await this.#next())) return true;
    return false;
  }

  /** Reads to the end without looking at what comes. */
  async drain(): Promise<void> {
    while (await this.#next());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#chunks.return?.();
  }

  async #next(): Promise<boolean> {
    const result = await this.#chunks.next();
    if (result.done === true) return false;
    this.#chunk = result.value;
    this.#at = 0;
    return true;
  }
}
