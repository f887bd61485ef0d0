/**
 * `walkFolder` on a thread of its own, for folders with very many files: looking at
 * them and storing what was found then take place side by side.
 *
 * @module
 */

import type { Entry } from "../../domain/entry.ts";
import { BackupError } from "../../domain/error.ts";
import { unpackEntries } from "./entry-columns.ts";
import type { ReportProblem, WalkOptions } from "./walk-folder.ts";
import { batchesPerRequest, type FromWalk } from "./walk-messages.ts";
import { takeWalkThread, type WalkThread } from "./walk-thread.ts";

/** A walk that has begun, before anybody asked what it finds. */
export class StartedWalk implements AsyncDisposable {
  readonly #options: WalkOptions;
  readonly #thread: WalkThread;

  constructor(options: WalkOptions) {
    this.#options = options;
    this.#thread = takeWalkThread();
    this.#thread.start(options);
  }

  /** As `walkFolder`, with the same entries and problems in the same order. To be called once. */
  async *entries(
    report: ReportProblem,
    signal: AbortSignal,
  ): AsyncGenerator<readonly Entry[], void, undefined> {
    let taken = 0;
    for (;;) {
      const message = await this.#thread.next(signal);
      if (message.kind === "end") return;
      if (message.kind === "failed") throw failureOf(message);
      if (message.kind === "problem") report(message.problem);
      else {
        yield unpackEntries(message.columns, this.#options.root.name, message.directory);
        taken++;
        if (taken % batchesPerRequest === 0) this.#thread.askForMore(batchesPerRequest);
      }
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
