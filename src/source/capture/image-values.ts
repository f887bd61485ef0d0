/**
 * The program's side of reading a column: batches come from a capture process
 * one at a time, each asked for when the one before was taken.
 *
 * @module
 */

import type { ColumnRequest } from "./capture-messages.ts";
import type { CaptureProcess } from "./capture-process.ts";

/** Yields the batches. If the caller stops early, the process is killed: it would wait for ever. */
export async function* valuesFrom(
  process: CaptureProcess,
  request: ColumnRequest,
  signal: AbortSignal,
): AsyncGenerator<readonly string[], void, void> {
  const arrived: (readonly string[])[] = [];
  let ended = false;
  let wake = (): void => undefined;
  const batch = (values: readonly string[]): void => {
    arrived.push(values);
    wake();
  };
  const task = process.run("columns", request, { batch }, signal).finally(() => {
    ended = true;
    wake();
  });
  // Awaited below; until then its failure must not count as unhandled.
  task.catch(() => undefined);
  try {
    for (;;) {
      if (arrived.length === 0 && !ended) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      const values = arrived.shift();
      if (values === undefined) break;
      yield values;
      process.askForNext();
    }
    await task;
  } finally {
    if (!ended) await process.kill();
  }
}
