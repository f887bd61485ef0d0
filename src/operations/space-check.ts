/**
 * Compares what a backup will need with what is free in the vault, before minutes
 * of copying rather than after.
 *
 * @module
 */

import { stat } from "node:fs/promises";
import type { Backup } from "../domain/backup.ts";
import { BackupError } from "../domain/error.ts";
import { formatBytes } from "../domain/units.ts";
import type { OperationContext } from "./context.ts";
import type { DatabaseSource } from "./requests.ts";
import type { RunLog } from "./run-log.ts";

export interface WantedSpace {
  readonly databases: readonly DatabaseSource[];
  /** What files come to is estimated from this backup of them; a first backup has no estimate. */
  readonly parent: Backup | undefined;
}

/**
 * Databases are stored as large as they are, so too little for them is an error. What files
 * come to is an estimate, so too little for all is a warning.
 *
 * @throws {BackupError} `no-space`
 */
export async function checkSpace(
  context: OperationContext,
  { databases, parent }: WantedSpace,
  log: RunLog,
  signal: AbortSignal,
): Promise<void> {
  const freeBytes = await context.vault.freeBytes(signal);
  if (freeBytes === undefined) return;
  const sizes = await Promise.all(databases.map((database) => sizeOf(database.path)));
  const databaseBytes = sizes.reduce((sum, size) => sum + size, 0);
  if (databaseBytes > freeBytes) throw tooLarge(context.vault.location, freeBytes, databaseBytes);
  const neededBytes = databaseBytes + archiveBytes(parent);
  if (neededBytes <= freeBytes) return;
  const [needed, free] = [formatBytes(neededBytes), formatBytes(freeBytes)];
  log.warning(
    `${context.vault.location} may run full: ${free} are free, and going by ${parent?.id} about ${needed} are needed`,
  );
}

function archiveBytes(parent: Backup | undefined): number {
  const files = parent?.files.filter(({ role }) => role === "archive" || role === "contents") ?? [];
  return files.reduce((sum, file) => sum + file.sizeBytes, 0);
}

function tooLarge(location: string, freeBytes: number, neededBytes: number): BackupError {
  return new BackupError(
    "no-space",
    `Cannot back up to ${location}: ${formatBytes(freeBytes)} are free, the databases need ${formatBytes(neededBytes)}`,
    {
      details: { free_bytes: freeBytes, needed_bytes: neededBytes },
      hint: "Free some space there, or let rotation keep fewer backups.",
    },
  );
}

async function sizeOf(path: string): Promise<number> {
  // A file that is not there is reported by the capture.
  return await stat(path).then(
    (stats) => stats.size,
    () => 0,
  );
}
