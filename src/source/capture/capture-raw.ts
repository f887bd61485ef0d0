/**
 * Images made without SQLite: of a database that has no bytes yet, and of a
 * declared one that SQLite cannot read, so that at least its bytes are kept.
 *
 * @module
 */

import type { CaptureContext, Made } from "./capture-attempt.ts";
import { removeImage } from "./capture-image.ts";
import { copyFileTo, createImage, lookAt, sameFile } from "./capture-files.ts";

/** How often to copy again a file that changed meanwhile before it is taken as it is. */
const rawCopyTries = 3;

/** SQLite makes the file with the first connection and fills it with the first transaction. */
export async function createEmptyImage(context: CaptureContext): Promise<Made> {
  await using image = await createImage(context.request.imagePath);
  await image.sync();
  return { result: "made", method: "empty", journalMode: "delete", warnings: [] };
}

/** Copies the bytes as they are. @param why - What SQLite said, for the warning. */
export async function captureRaw(context: CaptureContext, why: string): Promise<Made> {
  const total = Number(context.files.database?.size ?? 0n);
  const warnings = [`SQLite cannot read it (${why}); its bytes were copied as they are.`];
  for (let tries = 1; ; tries++) {
    const before = lookAt(context.path).database;
    await copyFileTo(context.path, context.request.imagePath, (done) =>
      context.report(Math.min(done, total), total),
    );
    if (sameFile(before, lookAt(context.path).database)) break;
    if (tries === rawCopyTries) {
      warnings.push("It was written to while it was copied; the copy may mix two states.");
      break;
    }
    await removeImage(context.request.imagePath);
  }
  return { result: "made", method: "raw-copy", journalMode: "unknown", warnings };
}
