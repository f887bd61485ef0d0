/**
 * Threads that were started before there is work for them, while something else is waited
 * for: starting one takes longer than to decode some megabytes.
 *
 * @module
 */

import { availableParallelism } from "node:os";
import { extname } from "node:path";
import { Worker } from "node:worker_threads";

/** More do not help: one thread decodes about 400 MB/s, and what takes the bytes is one thread too. */
const threadsMax = 8;

/** Most of what a thread makes lies outside its heap and is freed by hand. MiB. */
const youngHeapMiB = 4;

/** How many threads decode at once: one a processor. */
export function decodingThreads(): number {
  return Math.min(threadsMax, availableParallelism());
}

/** Starts a thread that runs `blob-worker.ts`; the first message it takes is its key. */
export function startBlobWorker(): Worker {
  // In development this file is TypeScript, when published JavaScript; the worker is its sibling.
  const script = new URL(`./blob-worker${extname(import.meta.url)}`, import.meta.url);
  const worker = new Worker(script, {
    // Nothing of ours is for it to see.
    env: {},
    execArgv: [],
    resourceLimits: { maxYoungGenerationSizeMb: youngHeapMiB },
  });
  // A program that has nothing else to do may end.
  worker.unref();
  return worker;
}

/** Nothing depends on it yet: who needs a thread where no more may be started hears of it then. */
function startIfPossible(): Worker | undefined {
  try {
    return startBlobWorker();
  } catch {
    return undefined;
  }
}

/** When a thread has loaded what it needs, or ends before. */
function loaded(worker: Worker): Promise<void> {
  return new Promise((resolve) => {
    for (const event of ["message", "error", "exit"]) worker.once(event, () => resolve());
    // A listener makes the program wait for its thread.
    worker.unref();
  });
}

/** Holds the threads until somebody takes them. Disposing ends those that nobody took. */
export class SpareWorkers implements AsyncDisposable {
  readonly #workers = new Set<Worker>();
  #isWanted = false;
  #isDisposed = false;

  /**
   * Starts as many as decode at once, as far as the system lets it. One after the other: two at once would take
   * turns with whatever is waited for meanwhile, where there are two processors.
   *
   * @returns When all have loaded what they need; never where they are taken before
   */
  async start(): Promise<void> {
    // Whoever failed to open a vault may hear of it before this is called.
    if (this.#isWanted || this.#isDisposed) return;
    this.#isWanted = true;
    // No more often than there are to be: where each dies as it starts, so would the next.
    for (let left = decodingThreads(); left > 0; left--) {
      const worker = this.#startNext();
      if (worker === undefined) return;
      await loaded(worker);
    }
  }

  /** All of them, which are the caller's from now on, whether loaded or not; none where none were wanted. */
  take(): readonly Worker[] {
    while (this.#startNext() !== undefined);
    this.#isWanted = false;
    const taken = [...this.#workers];
    this.#workers.clear();
    // Of these alone: Node.js listens, too.
    for (const worker of taken)
      for (const event of ["message", "error", "exit"]) worker.removeAllListeners(event);
    return taken;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDisposed = true;
    this.#isWanted = false;
    const ended = this.take().map((worker) => {
      // Of one that could not start and that nobody needs; without a listener it would end the program.
      worker.on("error", () => undefined);
      return worker.terminate();
    });
    await Promise.all(ended);
  }

  /** Undefined where there are enough, or no more can be started. */
  #startNext(): Worker | undefined {
    if (!this.#isWanted || this.#workers.size >= decodingThreads()) return undefined;
    const worker = startIfPossible();
    if (worker === undefined) return undefined;
    this.#workers.add(worker);
    // One that cannot start is none; whoever needs it starts another, and hears why that fails.
    const forget = (): void => void this.#workers.delete(worker);
    worker.once("error", forget).once("exit", forget);
    return worker;
  }
}
