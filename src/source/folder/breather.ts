/**
 * Lets the event loop run between slices of synchronous file system calls.
 * Those calls are several times faster than their asynchronous forms for small
 * files, but an application that embeds this library has requests to answer.
 *
 * @module
 */

import { setImmediate } from "node:timers/promises";
import { systemClock } from "../../domain/clock.ts";

/** Longest stretch of synchronous work. 10 ms goes unnoticed beside a request; shorter slices cost throughput. */
const sliceMs = 8;

/** Asking the time costs about as much as a cached `lstat` when asked for each one. */
const callsPerLook = 4;

export class Breather {
  #sliceStartMs = systemClock.elapsed();
  #calls = 0;

  /** Tells whether this slice has lasted long enough. Call it once per file system call or so. */
  isDue(): boolean {
    this.#calls++;
    return this.#calls % callsPerLook === 0 && systemClock.elapsed() - this.#sliceStartMs >= sliceMs;
  }

  /** Gives everybody else a turn and starts a new slice. Throws the signal's reason once it is aborted. */
  async breathe(signal: AbortSignal): Promise<void> {
    await setImmediate();
    signal.throwIfAborted();
    this.#sliceStartMs = systemClock.elapsed();
  }
}
