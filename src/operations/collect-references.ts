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
  readonly capturer: Pick<DatabaseCapturer, "columnValues" | "checkColumn">;
  /** Undefined where no files are stored: then the columns only have to be there. */
  readonly check: ReferenceCheck | undefined;
  readonly log: RunLog;
}

/**
 * A column that cannot be read is a problem that the log hears of: it must not cost the backup. One that is
 * not there makes the backup incomplete, for nothing of what it should name was looked for.
 */
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
    const { imagePath } = image;
    try {
      if (check === undefined) await capturer.checkColumn(imagePath, table, column, signal);
      else {
        const batches = capturer.columnValues(imagePath, table, column, signal);
        await check.collect({ base, label }, flatten(batches), signal);
      }
    } catch (error) {
      signal.throwIfAborted();
      if (!isBackupError(error)) throw error;
      const kind = error.kind === "invalid-input" ? "unreadable" : "reference-missing";
      const path = kind === "unreadable" ? `reference ${label}` : label;
      log.problem({ kind, path, message: errorText(error) });
    }
  }
}

async function* flatten(batches: AsyncIterable<readonly string[]>): AsyncIterable<string> {
  for await (const batch of batches) yield* batch;
}
