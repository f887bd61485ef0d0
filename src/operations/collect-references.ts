/**
 * Reads from the captured databases which files their rows name, for the check that
 * the backup holds them (mission J2).
 *
 * @module
 */

import { errorText, isBackupError } from "../domain/error.ts";
import type { DatabaseCapturer } from "../source/capture/database-capturer.ts";
import type { ReferenceCheck } from "../source/folder/reference-check.ts";
import type { DatabaseImage } from "../vault/vault.ts";
import type { FileReference } from "./requests.ts";
import type { RunLog } from "./run-log.ts";

export interface CollectOptions {
  readonly capturer: Pick<DatabaseCapturer, "columnValues">;
  readonly check: ReferenceCheck;
  readonly log: RunLog;
}

/** A column that cannot be read is a problem that the log hears of: it must not cost the backup. */
export async function collectReferences(
  references: readonly FileReference[],
  images: readonly DatabaseImage[],
  { capturer, check, log }: CollectOptions,
  signal: AbortSignal,
): Promise<void> {
  for (const { database, table, column, base } of references) {
    signal.throwIfAborted();
    const image = images.find((candidate) => candidate.name === database);
    // One that could not be captured has been reported as such.
    if (image === undefined) continue;
    const label = `${database}, ${table}.${column}`;
    const batches = capturer.columnValues(image.imagePath, table, column, signal);
    try {
      await check.collect({ base, label }, flatten(batches), signal);
    } catch (error) {
      signal.throwIfAborted();
      if (!isBackupError(error)) throw error;
      log.problem({ kind: "reference-missing", path: label, message: errorText(error) });
    }
  }
}

async function* flatten(batches: AsyncIterable<readonly string[]>): AsyncIterable<string> {
  for await (const batch of batches) yield* batch;
}
