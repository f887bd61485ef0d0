/**
 * Notices files of a backup that are gone or cut short, as far as a listing shows it.
 *
 * @module
 */

import type { Backup, BackupFile } from "../../domain/backup.ts";
import { metadataName } from "../../format/archive/file-names.ts";
import type { Storage, StoredObject } from "../../storage/storage.ts";

/**
 * Names the first file that is missing or has the wrong size; empty when there is none.
 *
 * The folders of a vault are not listed at one instant, so what seems missing is looked up again.
 *
 * @param listedSizes Of the objects of a listing, by name; may be empty
 */
export async function missingFile(
  storage: Storage,
  backup: Backup,
  listedSizes: ReadonlyMap<string, number>,
  signal: AbortSignal,
): Promise<string> {
  for (const file of backup.files) {
    if (file.sizeBytes === listedSizes.get(file.name)) continue;
    const object = await storage.stat(file.name, signal);
    if (object?.sizeBytes === file.sizeBytes) continue;
    // Removed while it was listed: then its name went first (I3).
    if ((await storage.stat(metadataName(backup.id), signal)) === undefined) return "";
    return describeMissing(file, object);
  }
  return "";
}

/** What is wrong with a file whose object has another size, or is not there. */
export function describeMissing(file: BackupFile, object: StoredObject | undefined): string {
  if (object === undefined) return `${file.name} is missing`;
  return `${file.name} has ${object.sizeBytes} bytes, wanted ${file.sizeBytes}`;
}
