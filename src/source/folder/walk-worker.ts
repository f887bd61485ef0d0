/**
 * The thread that walks: runs `walkFolder` over what it is told first and sends what it
 * finds, a bounded number of batches ahead.
 *
 * @module
 */

import { parentPort } from "node:worker_threads";
import type { Problem } from "../../domain/backup.ts";
import { isBackupError, errorText } from "../../domain/error.ts";
import { EntryPacker } from "./entry-columns.ts";
import { entriesPerBatch, realDirectory, walkInBatches, type WalkOptions } from "./walk-folder.ts";
import type { FromWalk, ToWalk } from "./walk-messages.ts";

/** 64 batches are 32,768 entries, about 5 MB: what is walked while the vault gets ready. */
const batchesAhead = 64;

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

const send = (message: FromWalk): void => parentPort?.postMessage(message);

async function run(): Promise<void> {
  // The program ends this thread when it is cancelled.
  const { signal } = new AbortController();
  const directory = realDirectory(options.root);
  const report = (problem: Problem): void => send({ kind: "problem", problem });
  const walk = walkInBatches(options, report, () => new EntryPacker(entriesPerBatch), signal);
  for await (const batch of walk) {
    while (credit === 0) await new Promise<void>((resolve) => (wake = resolve));
    credit--;
    send({ kind: "batch", columns: batch.pack(), directory });
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
