/**
 * Counts what is done and tells an observer now and then.
 *
 * @module
 */

import type { Clock } from "../../../domain/clock.ts";
import type { Observer, Phase } from "../../../domain/progress.ts";

/** Progress is for people: told ten times a second. */
const intervalMs = 100;

interface Totals {
  readonly items?: number;
  readonly bytes?: number;
}

/** One phase of one run. */
export class ProgressMeter {
  readonly #observer: Observer;
  readonly #clock: Clock;
  readonly #phase: Phase;
  readonly #totals: Totals;
  #items = 0;
  #bytes = 0;
  #toldAtMs = Number.NEGATIVE_INFINITY;

  constructor(observer: Observer, clock: Clock, phase: Phase, totals: Totals = {}) {
    this.#observer = observer;
    this.#clock = clock;
    this.#phase = phase;
    this.#totals = totals;
  }

  get bytes(): number {
    return this.#bytes;
  }

  add(items: number, bytes: number): void {
    this.#items += items;
    this.#bytes += bytes;
    const now = this.#clock.elapsed();
    if (now - this.#toldAtMs < intervalMs) return;
    this.#toldAtMs = now;
    this.finish();
  }

  /** Tells how far it is; the last call of a phase. */
  finish(): void {
    this.#observer.progress({
      phase: this.#phase,
      itemsDone: this.#items,
      bytesDone: this.#bytes,
      ...(this.#totals.items === undefined ? {} : { itemsTotal: this.#totals.items }),
      ...(this.#totals.bytes === undefined ? {} : { bytesTotal: this.#totals.bytes }),
    });
  }
}
