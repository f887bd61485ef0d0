/**
 * `walkFolder` on a thread of its own, for folders with very many files: looking at
 * them and storing what was found then take place side by side.
 *
 * @module
 */

import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import type { Entry } from "../../domain/entry.ts";
import { BackupError } from "../../domain/error.ts";
import { unpackEntries } from "./entry-columns.ts";
import type { ReportProblem, WalkOptions } from "./walk-folder.ts";
import { type FromWalk, oneMore } from "./walk-messages.ts";

/** Entries from which on a second thread is worth its start, which takes as long as looking at 10,000 files. */
export const entriesWorthThread = 20_000;

/** As `walkFolder`, with the same entries and problems in the same order. */
export async function* walkFolderAside(
  options: WalkOptions,
  report: ReportProblem,
  signal: AbortSignal,
): AsyncGenerator<readonly Entry[], void, undefined> {
  signal.throwIfAborted();
  await using thread = new WalkThread(options);
  for (;;) {
    const message = await thread.next(signal);
    if (message.kind === "end") return;
    if (message.kind === "problem") report(message.problem);
    else if (message.kind === "batch") {
      yield unpackEntries(message.columns, options.root.name, message.directory);
      thread.askForMore();
    } else {
      const { errorKind, message: text, hint, details } = message;
      throw new BackupError(errorKind, text, { details, ...(hint === undefined ? {} : { hint }) });
    }
  }
}

class WalkThread implements AsyncDisposable {
  readonly #worker: Worker;
  readonly #waiting: FromWalk[] = [];
  #died: Error | undefined;
  #wake = (): void => undefined;

  constructor(options: WalkOptions) {
    // In development this file is TypeScript, when published JavaScript; the worker is its sibling.
    const script = new URL(`./walk-worker${extname(import.meta.url)}`, import.meta.url);
    this.#worker = new Worker(script, { workerData: options, env: {} });
    this.#worker.on("message", (message: FromWalk) => {
      this.#waiting.push(message);
      this.#wake();
    });
    this.#worker.on("error", (error) => this.#end(error));
    this.#worker.on("exit", () => this.#end(new Error("it ended early")));
  }

  /** The next message. @throws the reason of `signal`; a `bug` if the thread died */
  async next(signal: AbortSignal): Promise<FromWalk> {
    const wake = (): void => this.#wake();
    signal.addEventListener("abort", wake, { once: true });
    try {
      for (;;) {
        signal.throwIfAborted();
        const message = this.#waiting.shift();
        if (message !== undefined) return message;
        if (this.#died !== undefined) {
          throw new BackupError("bug", `Cannot walk a folder: ${this.#died.message}`, { cause: this.#died });
        }
        await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    } finally {
      signal.removeEventListener("abort", wake);
    }
  }

  askForMore(): void {
    this.#worker.postMessage(oneMore);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker.terminate();
  }

  #end(error: Error): void {
    this.#died ??= error;
    this.#wake();
  }
}
