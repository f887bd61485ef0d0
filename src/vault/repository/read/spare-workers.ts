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

/** Holds the threads until somebody takes them. Disposing ends those that nobody took. */
export class SpareWorkers implements AsyncDisposable {
  readonly #workers = new Set<Worker>();

  /** Starts as many as decode at once, as far as the system lets it. */
  start(): void {
    for (let missing = decodingThreads() - this.#workers.size; missing > 0; missing--) {
      const worker = startIfPossible();
      if (worker === undefined) return;
      this.#workers.add(worker);
      // One that cannot start is none; whoever needs it starts another, and hears why that fails.
      const forget = (): void => void this.#workers.delete(worker);
      worker.once("error", forget).once("exit", forget);
    }
  }

  /** All of them, which are the caller's from now on; none where none were started. */
  take(): readonly Worker[] {
    const taken = [...this.#workers];
    this.#workers.clear();
    for (const worker of taken) worker.removeAllListeners();
    return taken;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = this.take().map((worker) => {
      // Of one that could not start and that nobody needs; without a listener it would end the program.
      worker.on("error", () => undefined);
      return worker.terminate();
    });
    await Promise.all(ended);
  }
}
