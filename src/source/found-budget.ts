/**
 * How much time one backup gives to found databases that come to nothing. Each has
 * a limit of its own, but a stranger may plant a thousand that all reach theirs.
 *
 * @module
 */

import type { Clock } from "../domain/clock.ts";
import type { CaptureOutcome } from "./capture/capture.ts";

/** Five that reach their limit of a minute: more than ever happens by accident, and a nightly backup stays one. */
export const foundBudgetMs: number = 5 * 60_000;

/** An honest capture takes less than this, even where it waits for a writer; what it takes beyond counts. */
const honestBaseMs = 6_000;
/** Ten times what an honest one needs. */
const honestMsPerMiB = 100;

export class FoundBudget {
  readonly #clock: Clock;
  #leftMs: number = foundBudgetMs;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Is any further file to be stored as it is? */
  get isSpent(): boolean {
    return this.#leftMs <= 0;
  }

  /** Runs a capture and charges for it: all of its time where it was of no use, else what was beyond reason. */
  async charge(capture: () => Promise<CaptureOutcome>): Promise<CaptureOutcome> {
    const startMs = this.#clock.elapsed();
    const outcome = await capture();
    this.#leftMs -= Math.max(0, this.#clock.elapsed() - startMs - allowanceMs(outcome));
    return outcome;
  }
}

function allowanceMs(outcome: CaptureOutcome): number {
  if (outcome.outcome === "refused" || !outcome.image.check.ok) return 0;
  return honestBaseMs + (outcome.image.sizeBytes / (1024 * 1024)) * honestMsPerMiB;
}
