/**
 * The files in which restore journals are kept. Apart from what reads and finishes
 * them, because every command looks whether there are any, and nearly none finds one.
 *
 * @module
 */

import { readdir } from "node:fs/promises";
import { join } from "node:path";

const idPattern = /^(\d{8}_\d{6}-[0-9a-f]{6})\.json$/;

/** The folder of all journals and locks. */
export function journalDirectory(stateDirectory: string): string {
  return join(stateDirectory, "restores");
}

/** Ids of the journals that are there, oldest first. Costs one look at a folder where there are none. */
export async function journalIds(stateDirectory: string): Promise<readonly string[]> {
  const names = await readdir(journalDirectory(stateDirectory)).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT" && error.code !== "ENOTDIR") throw error;
    return [];
  });
  return names.flatMap((name) => idPattern.exec(name)?.[1] ?? []).sort();
}
