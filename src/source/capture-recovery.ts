/**
 * Lets SQLite recover a private copy from the journal or log copied with it.
 *
 * @module
 */

import { existsSync, statSync } from "node:fs";
import { BackupError } from "../domain/error.ts";
import type { Attempt, CaptureContext } from "./capture-attempt.ts";
import { largestImage } from "./capture-plan.ts";
import { openScratch, pragma } from "./capture-sqlite.ts";

/**
 * Opening rolls back, and closing writes the log into the file and removes it:
 * on the copy, out of sight of the app. The copy is not durable yet.
 *
 * @throws {BackupError} `no-space`
 */
export function recoverCopy(copyPath: string): void {
  const database = openScratch(copyPath);
  try {
    pragma(database, "user_version");
    doNotSync(database);
  } finally {
    database.close();
  }
  // Closing does not say whether it could write everything: the log is only removed when it could.
  if (!existsSync(`${copyPath}-wal`)) return;
  throw new BackupError("no-space", "Cannot recover the copy of the database: its log could not be written", {
    hint: "Free space where captured databases are put, or name another scratch folder.",
  });
}

/** The refusal of a stranger's database that grew beyond all that its files held. */
export function exceedsLimit(context: CaptureContext): Attempt | undefined {
  if (context.request.trust !== "found") return undefined;
  if (statSync(context.request.imagePath).size <= largestImage(context.files)) return undefined;
  return {
    result: "refused",
    reason: "not-a-database",
    message: "Claims far more pages than its files hold",
  };
}

/** The image is synced once, later, while it is checked. */
function doNotSync(database: ReturnType<typeof openScratch>): void {
  try {
    pragma(database, "synchronous=OFF");
  } catch {
    // This pragma reads the schema, which may be damaged. Then closing takes longer, that is all.
  }
}
