/**
 * What one run reports: passes everything on to the observers and keeps what goes
 * into its result.
 *
 * @module
 */

import type { Problem } from "../domain/backup.ts";
import type { Clock } from "../domain/clock.ts";
import { type Observer, type Phase, type Progress, silentObserver } from "../domain/progress.ts";

/** As many problems as a backup's metadata keeps. */
const problemsKeptMax = 1000;

/** A run whose sources all carry warnings must not fill memory; the rest is still passed on. */
const warningsKeptMax = 1000;

/** About ten reports a second, as {@link Observer.progress} promises. */
const progressIntervalMs = 100;

export class RunLog implements Observer {
  readonly problems: Problem[] = [];
  readonly warnings: string[] = [];
  problemCount = 0;
  /** Hears of every problem, the writer's too. */
  onProblem: (problem: Problem) => void = () => undefined;
  readonly #observer: Observer;
  readonly #clock: Clock;
  readonly #lastAtMs = new Map<Phase, number>();

  constructor(observer: Observer, clock: Clock) {
    this.#observer = observer;
    this.#clock = clock;
  }

  /** Passed on at most ten times a second per phase. */
  progress(progress: Progress): void {
    const now = this.#clock.elapsed();
    if (now - (this.#lastAtMs.get(progress.phase) ?? Number.NEGATIVE_INFINITY) < progressIntervalMs) return;
    this.#lastAtMs.set(progress.phase, now);
    this.#observer.progress(progress);
  }

  /** The last report of a phase, passed on whatever came just before. */
  finalProgress(progress: Progress): void {
    this.#lastAtMs.set(progress.phase, this.#clock.elapsed());
    this.#observer.progress(progress);
  }

  warning(message: string): void {
    if (this.warnings.length < warningsKeptMax) this.warnings.push(message);
    this.#observer.warning(message);
  }

  /**
   * What a vault's writer reports to. It spaces its reports and counts the problems it meets
   * itself, so both are only passed on.
   *
   * @param expected What the phase `store` will come to as far as can be told, for its totals
   */
  forWriter(expected: () => { readonly bytes: number; readonly items: number }): Observer {
    return {
      progress: (progress) => this.#observer.progress(withTotals(progress, expected)),
      warning: (message) => this.warning(message),
      problem: (problem) => {
        this.onProblem(problem);
        this.#observer.problem(problem);
      },
    };
  }

  problem(problem: Problem): void {
    this.problemCount++;
    if (this.problems.length < problemsKeptMax) this.problems.push(problem);
    this.onProblem(problem);
    this.#observer.problem(problem);
  }
}

function withTotals(
  progress: Progress,
  expected: () => { readonly bytes: number; readonly items: number },
): Progress {
  if (progress.phase !== "store" || progress.bytesTotal !== undefined) return progress;
  const { bytes, items } = expected();
  const [bytesTotal, itemsTotal] = [Math.max(bytes, progress.bytesDone), Math.max(items, progress.itemsDone)];
  return { ...progress, bytesTotal, itemsTotal };
}

/** Tells both; the one that is not there hears nothing. */
export function bothObservers(first: Observer | undefined, second: Observer | undefined): Observer {
  if (first === undefined || second === undefined) return first ?? second ?? silentObserver;
  return {
    progress(progress) {
      first.progress(progress);
      second.progress(progress);
    },
    warning(message) {
      first.warning(message);
      second.warning(message);
    },
    problem(problem) {
      first.problem(problem);
      second.problem(problem);
    },
  };
}
