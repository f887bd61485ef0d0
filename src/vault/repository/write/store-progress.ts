/**
 * Reports how far the storing of a backup is, about ten times a second.
 *
 * @module
 */

import type { Clock } from "../../../domain/clock.ts";
import type { Observer } from "../../../domain/progress.ts";

const intervalMs = 100;

export class StoreProgress {
  readonly #observer: Observer;
  readonly #clock: Clock;
  readonly #bytesRead: () => number;
  #otherBytes = 0;
  #itemsDone = 0;
  #lastMs = Number.NEGATIVE_INFINITY;

  /** @param bytesRead Asked for the bytes that threads have read */
  constructor(observer: Observer, clock: Clock, bytesRead: () => number) {
    this.#observer = observer;
    this.#clock = clock;
    this.#bytesRead = bytesRead;
  }

  /** @param bytes Done with without a thread having read them */
  add(bytes: number, items: number): void {
    this.#otherBytes += bytes;
    this.#itemsDone += items;
    const nowMs = this.#clock.elapsed();
    if (nowMs - this.#lastMs < intervalMs) return;
    this.#lastMs = nowMs;
    this.end();
  }

  end(): void {
    const bytesDone = this.#bytesRead() + this.#otherBytes;
    this.#observer.progress({ phase: "store", bytesDone, itemsDone: this.#itemsDone });
  }
}
