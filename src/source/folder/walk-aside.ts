/**
 * `walkFolder` on a thread of its own, for folders with very many files: looking at
 * them and storing what was found then take place side by side.
 *
 * @module
 */

import type { Entry } from "../../domain/entry.ts";
import { BackupError } from "../../domain/error.ts";
import { unpackEntries } from "./entry-columns.ts";
import { entriesPerBatch, type ReportProblem, type WalkOptions, walkFolder } from "./walk-folder.ts";
import { batchesOf, batchesPerRequest, type FromWalk } from "./walk-messages.ts";
import { takeWalkThread, type WalkThread } from "./walk-thread.ts";

/** A walk that has begun, before anybody asked what it finds. */
export class StartedWalk implements AsyncDisposable {
  readonly #options: WalkOptions;
  readonly #thread: WalkThread;

  constructor(options: WalkOptions, thread: WalkThread = takeWalkThread()) {
    this.#options = options;
    this.#thread = thread;
    this.#thread.start(options);
  }

  /** Lets it find so many more entries until somebody asks for any, and keep no process from ending. */
  goAhead(entries: number): void {
    this.#thread.askForMore(Math.floor(entries / entriesPerBatch));
    this.#thread.unref();
  }

  /** As `walkFolder`, with the same entries and problems in the same order. To be called once. */
  async *entries(
    report: ReportProblem,
    signal: AbortSignal,
  ): AsyncGenerator<readonly Entry[], void, undefined> {
    this.#thread.ref();
    if (!(await this.#thread.hasBegun(signal))) {
      // No thread can be had: this one does it, more slowly.
      yield* walkFolder(this.#options, report, signal);
      return;
    }
    let taken = 0;
    for (;;) {
      const message = await this.#thread.next(signal);
      for (const problem of message.problems) report(problem);
      if (message.kind === "end") return;
      if (message.kind === "failed") throw failureOf(message);
      if (message.kind === "batch")
        yield unpackEntries(message.columns, this.#options.root.name, message.directory);
      taken += batchesOf(message);
      if (taken < batchesPerRequest) continue;
      this.#thread.askForMore(taken);
      taken = 0;
    }
  }

  /** Ends the thread, wherever it is. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#thread[Symbol.asyncDispose]();
  }
}

/** As `walkFolder`, with the same entries and problems in the same order. */
export async function* walkFolderAside(
  options: WalkOptions,
  report: ReportProblem,
  signal: AbortSignal,
): AsyncGenerator<readonly Entry[], void, undefined> {
  signal.throwIfAborted();
  await using walk = new StartedWalk(options);
  yield* walk.entries(report, signal);
}

function failureOf({
  errorKind,
  message,
  hint,
  details,
}: Extract<FromWalk, { kind: "failed" }>): BackupError {
  return new BackupError(errorKind, message, { details, ...(hint === undefined ? {} : { hint }) });
}
