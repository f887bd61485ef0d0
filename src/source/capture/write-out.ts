/**
 * Has the disk write a copy while it is being made. Whoever syncs a file of the same file system, as the
 * app does with every commit, may have to wait until what is not yet written of our copy is, too.
 *
 * @module
 */

import type { FileHandle } from "node:fs/promises";
import type { Clock } from "../../domain/clock.ts";

/** Written out first, to learn how fast the disk is. */
const firstBytes = 32 * 1024 * 1024;
/** What the disk has not got yet takes it at most twice as long: what is just written, and what is copied meanwhile. */
const stepMs = 500;
/** On a disk, or a memory in its place, of any speed. */
const stepBytesMax = 1024 * 1024 * 1024;

/**
 * Writes a copy out whenever the disk would need half a second for what has come since. Not more often: a
 * file that is being written out is slow to write to, 0.94 GB in steps of 64 MiB take 0.1 s longer.
 */
export class WriteOut {
  readonly #file: Pick<FileHandle, "datasync">;
  readonly #clock: Clock;
  #stepBytes = firstBytes;
  #begunBytes = 0;
  #pending: Promise<void> = Promise.resolve();

  constructor(file: Pick<FileHandle, "datasync">, clock: Clock) {
    this.#file = file;
    this.#clock = clock;
  }

  /** Tells whether the copy, so far `doneBytes` long, is to be written out before it goes on. */
  isDue(doneBytes: number): boolean {
    return doneBytes - this.#begunBytes >= this.#stepBytes;
  }

  /**
   * Begins to write out, after what was begun before.
   *
   * @param aheadBytes What will still be copied: where that is less than a step, it is left to whoever makes the whole durable.
   */
  async begin(doneBytes: number, aheadBytes: number): Promise<void> {
    await this.#pending;
    if (!this.isDue(doneBytes) || aheadBytes < this.#stepBytes) return;
    const bytes = doneBytes - this.#begunBytes;
    this.#begunBytes = doneBytes;
    this.#pending = this.#write(bytes);
    // Awaited later; must not count as unhandled until then.
    this.#pending.catch(() => undefined);
  }

  /** Returns when what was begun is durable. @throws what the disk refused */
  async end(): Promise<void> {
    await this.#pending;
  }

  async #write(bytes: number): Promise<void> {
    const startedAt = this.#clock.elapsed();
    await this.#file.datasync();
    const tookMs = this.#clock.elapsed() - startedAt;
    this.#stepBytes = Math.min(stepBytesMax, Math.max(firstBytes, (bytes / tookMs) * stepMs));
  }
}
