/**
 * The thread that walks: runs `walkFolder` over what it is told first and sends what it
 * finds, a bounded number of batches ahead.
 *
 * @module
 */

import { parentPort } from "node:worker_threads";
import type { Problem } from "../../domain/backup.ts";
import { errorText, isBackupError } from "../../domain/error.ts";
import { EntryPacker } from "./entry-columns.ts";
import { entriesPerBatch, realDirectory, type WalkOptions, walkInBatches } from "./walk-folder.ts";
import { batchesOf, type FromWalk, problemsPerBatch, type ToWalk } from "./walk-messages.ts";

/** 64 batches are 32,768 entries, about 5 MB: what is walked while the vault gets ready. */
const batchesAhead = 64;

type Unsent = FromWalk extends infer Each ? (Each extends FromWalk ? Omit<Each, "problems"> : never) : never;

let credit = batchesAhead;
let wake = (): void => undefined;

const options = await new Promise<WalkOptions>((resolve) => {
  parentPort?.on("message", (message: ToWalk) => {
    if (typeof message !== "number") resolve(message);
    else {
      credit += message;
      wake();
    }
  });
});

/** Met since the last message. */
let problems: Problem[] = [];

function send(message: Unsent): void {
  parentPort?.postMessage({ ...message, problems } as FromWalk);
  problems = [];
}

/** Sends what counts, once the program has taken enough of what was sent before. */
async function sendCounted(message: Unsent): Promise<void> {
  while (credit <= 0) await new Promise<void>((resolve) => (wake = resolve));
  credit -= batchesOf({ ...message, problems });
  send(message);
}

async function sendProblems(): Promise<void> {
  if (problems.length >= problemsPerBatch) await sendCounted({ kind: "problems" });
}

async function run(): Promise<void> {
  // The program ends this thread when it is cancelled.
  const { signal } = new AbortController();
  const directory = realDirectory(options.root);
  const report = (problem: Problem): void => void problems.push(problem);
  const target = { newBatch: () => new EntryPacker(entriesPerBatch), afterSlice: sendProblems };
  for await (const batch of walkInBatches(options, report, target, signal)) {
    await sendCounted({ kind: "batch", columns: batch.pack(), directory });
  }
  send({ kind: "end" });
}

try {
  await run();
} catch (error) {
  const known = isBackupError(error);
  send({
    kind: "failed",
    errorKind: known ? error.kind : "bug",
    message: errorText(error),
    hint: known ? error.hint : undefined,
    details: known ? error.details : {},
  });
} finally {
  parentPort?.close();
}
