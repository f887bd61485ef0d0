/**
 * The thread that walks: runs `walkFolder` over what it was started with and sends
 * what it finds, a bounded number of batches ahead.
 *
 * @module
 */

import { parentPort, workerData } from "node:worker_threads";
import { isBackupError, errorText } from "../../domain/error.ts";
import { packEntries } from "./entry-columns.ts";
import { realDirectory, walkFolder, type WalkOptions } from "./walk-folder.ts";
import type { FromWalk } from "./walk-messages.ts";

/** 16 batches are 8,192 entries, about 2 MB. */
const batchesAhead = 16;

let credit = batchesAhead;
let wake = (): void => undefined;
parentPort?.on("message", () => {
  credit++;
  wake();
});

const send = (message: FromWalk): void => parentPort?.postMessage(message);

async function run(options: WalkOptions): Promise<void> {
  const report = (problem: FromWalk & { kind: "problem" }): void => send(problem);
  // The program ends this thread when it is cancelled.
  const { signal } = new AbortController();
  const directory = realDirectory(options.root);
  for await (const entries of walkFolder(
    options,
    (problem) => report({ kind: "problem", problem }),
    signal,
  )) {
    while (credit === 0) await new Promise<void>((resolve) => (wake = resolve));
    credit--;
    send({ kind: "batch", columns: packEntries(entries), directory });
  }
  send({ kind: "end" });
}

try {
  await run(workerData as WalkOptions);
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
