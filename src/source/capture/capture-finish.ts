/**
 * Makes a captured image what the vault takes over: a rollback-mode database,
 * durable, checked. Runs in a capture process.
 *
 * @module
 */

import { open } from "node:fs/promises";
import type { DatabaseCheck } from "../../domain/backup.ts";
import { parseDatabaseHeader } from "../../format/sqlite/header.ts";
import type { Made } from "./capture-attempt.ts";
import { checkImageFile } from "./image-check.ts";
import { readHeader, writeJournalMode } from "./image-finish.ts";

/** What SQLite gives a database that does not say otherwise; recorded for empty and unreadable ones. */
const defaultPageSizeBytes = 4096;

interface FinishedImage {
  readonly sizeBytes: number;
  readonly pageSizeBytes: number;
  readonly check: DatabaseCheck;
}

/**
 * Finishes an image. In rollback mode it opens read-only, in a read-only folder,
 * for any user, and leaves nothing beside itself. Raw copies are kept to the byte.
 *
 * @param complete Told when the bytes are final, before they are checked
 */
export async function finishImage(
  imagePath: string,
  made: Made,
  checkMethod: "quick_check" | "integrity_check",
  complete: () => void,
): Promise<FinishedImage> {
  const raw = made.method === "raw-copy";
  await using image = await open(imagePath, "r+");
  if (!raw) await writeJournalMode(image, "delete");
  complete();
  // Started first, awaited last: the disk writes while SQLite reads.
  const synced = image.sync();
  synced.catch(() => undefined);
  const check: DatabaseCheck = raw
    ? { method: "not-run", ok: false, messages: made.warnings }
    : checkImageFile(imagePath, checkMethod);
  await synced;
  const header = parseDatabaseHeader(await readHeader(image));
  const { size } = await image.stat();
  return { sizeBytes: size, pageSizeBytes: header?.pageSizeBytes ?? defaultPageSizeBytes, check };
}
