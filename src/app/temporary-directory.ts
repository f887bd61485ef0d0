/**
 * A private folder for copies where the state folder cannot be used. The same one each
 * time, so that a later run finds there what a killed one left (I8).
 *
 * @module
 */

import { lstat, mkdir, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BackupError, errorText } from "../domain/error.ts";

/**
 * Makes it, in the system's folder for temporary files. It stays there, empty between runs.
 *
 * @param parent For tests
 * @throws {BackupError} `storage-unavailable`, `no-space`
 */
export async function makeTemporaryDirectory(parent: string = tmpdir()): Promise<string> {
  const directory = join(parent, `vertex-backup-${process.geteuid?.() ?? "scratch"}`);
  try {
    await mkdir(directory, { mode: 0o700 });
    return directory;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw unusable(parent, error);
  }
  // Anybody may make something of this name there, to look into it later.
  if (await isOurs(directory)) return directory;
  return await mkdtemp(`${directory}-`).catch((error: unknown) => {
    throw unusable(parent, error);
  });
}

async function isOurs(directory: string): Promise<boolean> {
  const stats = await lstat(directory).catch(() => undefined);
  if (stats === undefined || !stats.isDirectory() || (stats.mode & 0o777) !== 0o700) return false;
  return process.geteuid === undefined || stats.uid === process.geteuid();
}

function unusable(parent: string, cause: unknown): BackupError {
  const kind = (cause as NodeJS.ErrnoException).code === "ENOSPC" ? "no-space" : "storage-unavailable";
  return new BackupError(kind, `Cannot make a folder for copies in ${parent}: ${errorText(cause)}`, {
    cause,
    hint: "Set VERTEX_BACKUP_STATE or TMPDIR to a folder that this user may write to.",
  });
}
