/**
 * The folder of the snapshots, where a storage has folders. A repository without one
 * would look like one without backups, whose data nobody needs (I5).
 *
 * @module
 */

import { BackupError } from "../../domain/error.ts";
import type { Storage } from "../../storage/storage.ts";

type Place = Pick<Storage, "folders" | "location">;

/**
 * Call where no snapshot was found. The folder is made before anything else is stored, by restic and by
 * us; so where it is missing and data is there, it was lost.
 *
 * @throws {BackupError} `damaged`
 */
export async function requireSnapshotsFolder(
  { folders, location }: Place,
  signal: AbortSignal,
): Promise<void> {
  if (folders === undefined || (await folders.has("snapshots", signal))) return;
  const isFilled = (await folders.has("data", signal)) || (await folders.has("index", signal));
  // Another run may have made all of them since the first look.
  if (!isFilled || (await folders.has("snapshots", signal))) return;
  throw new BackupError(
    "damaged",
    `Cannot read the backups of ${location}: its folder snapshots is gone, although data is there`,
    {
      hint: "Put the folder back from a copy of the repository; without one, restic recover makes a snapshot of the data that is there. If there never was a backup, make an empty folder of that name.",
    },
  );
}

/** Call before anything else is stored. */
export async function makeSnapshotsFolder(place: Place, signal: AbortSignal): Promise<void> {
  await requireSnapshotsFolder(place, signal);
  await place.folders?.make("snapshots", signal);
}
