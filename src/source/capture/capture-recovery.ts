/**
 * Lets SQLite recover a private copy from the journal or log copied with it.
 *
 * @module
 */

import { existsSync, statSync } from "node:fs";
import { BackupError } from "../../domain/error.ts";
import type { Attempt, CaptureContext } from "./capture-attempt.ts";
import { largestImage } from "./capture-plan.ts";
import { openScratch, pragma } from "./capture-sqlite.ts";

/**
 * Opening rolls back, and closing writes the log into the file and removes it:
 * on the copy, out of sight of the app. The copy is not durable yet.
 *
 * @returns The refusal of a stranger's database that would grow beyond all that its files held.
 * @throws {BackupError} `no-space`
 */
export function recoverCopy(context: CaptureContext): Attempt | undefined {
  const { imagePath, trust } = context.request;
  const database = openScratch(imagePath);
  try {
    pragma(database, "user_version");
    doNotSync(database);
  } finally {
    database.close();
  }
  // Closing does not say whether it could write everything: the log is only removed when it could.
  const complete = !existsSync(`${imagePath}-wal`);
  if (trust === "found") {
    const bounded = complete && statSync(imagePath).size <= largestImage(context.files);
    return bounded ? undefined : claimsTooMuch;
  }
  if (complete) return undefined;
  throw new BackupError("no-space", "Cannot recover the copy of the database: its log could not be written", {
    hint: "Free space where captured databases are put, or name another scratch folder.",
  });
}

/** What becomes of a stranger's database that would grow beyond all that its files held. */
export const claimsTooMuch: Attempt = {
  result: "refused",
  reason: "not-a-database",
  message: "Its journal or log claims far more pages than there are",
};

/** The image is synced once, later, while it is checked. */
function doNotSync(database: ReturnType<typeof openScratch>): void {
  try {
    pragma(database, "synchronous=OFF");
  } catch {
    // This pragma reads the schema, which may be damaged. Then closing takes longer, that is all.
  }
}
