/**
 * Progress of several runs as that of one: runs side by side add up, so that what
 * an observer sees never goes back within a phase.
 *
 * @module
 */

import type { Observer, Phase, Progress } from "../domain/progress.ts";

export class SummedProgress {
  readonly #observer: Observer;
  readonly #phases = new Map<Phase, Map<object, Progress>>();

  constructor(observer: Observer) {
    this.#observer = observer;
  }

  /** What one of the runs reports to; warnings and problems pass as they are. */
  forOne(): Observer {
    const run = {};
    return {
      progress: (progress) => this.#observer.progress(this.#sum(run, progress)),
      warning: (message) => this.#observer.warning(message),
      problem: (problem) => this.#observer.problem(problem),
    };
  }

  #sum(run: object, progress: Progress): Progress {
    const { phase } = progress;
    const runs = this.#phases.get(phase) ?? new Map<object, Progress>();
    this.#phases.set(phase, runs.set(run, progress));
    const all = [...runs.values()];
    const bytesTotal = sumKnown(all.map((one) => one.bytesTotal));
    const itemsTotal = sumKnown(all.map((one) => one.itemsTotal));
    return {
      ...(progress.current === undefined ? {} : { current: progress.current }),
      ...(bytesTotal === undefined ? {} : { bytesTotal }),
      ...(itemsTotal === undefined ? {} : { itemsTotal }),
      phase,
      bytesDone: all.reduce((sum, one) => sum + one.bytesDone, 0),
      itemsDone: all.reduce((sum, one) => sum + one.itemsDone, 0),
    };
  }
}

/** Unknown as soon as one part is. */
function sumKnown(parts: readonly (number | undefined)[]): number | undefined {
  let sum = 0;
  for (const part of parts) {
    if (part === undefined) return undefined;
    sum += part;
  }
  return sum;
}
