/**
 * The files in which restore journals are kept. Apart from what reads and finishes
 * them, because every command looks whether there are any, and nearly none finds one.
 *
 * @module
 */

import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { BackupError, reasonText } from "../../domain/error.ts";

const idPattern = /^(\d{8}_\d{6}-[0-9a-f]{6})\.json$/;

/** The folder of all journals and locks. */
export function journalDirectory(stateDirectory: string): string {
  return join(stateDirectory, "restores");
}

/**
 * Ids of the journals that are there, oldest first. Costs one look at a folder where there are none.
 *
 * @throws {BackupError} `storage-unavailable` where it cannot be seen whether there are any
 */
export async function journalIds(stateDirectory: string): Promise<readonly string[]> {
  const directory = journalDirectory(stateDirectory);
  const names = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT" && error.code !== "ENOTDIR") throw unreadable(directory, error);
    return [];
  });
  return names.flatMap((name) => idPattern.exec(name)?.[1] ?? []).sort();
}

function unreadable(directory: string, cause: unknown): BackupError {
  return new BackupError(
    "storage-unavailable",
    `Cannot see whether a restore was interrupted: ${directory} cannot be read (${reasonText(cause)})`,
    {
      cause,
      hint: "Let this user read it, or set VERTEX_BACKUP_STATE to a folder that this user may write to.",
    },
  );
}
