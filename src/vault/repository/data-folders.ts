/**
 * The folders of the packs and of the index, where a storage has folders: what to say of a
 * repository that has lost one, or where one is a link to somewhere else.
 *
 * @module
 */

import { BackupError, isBackupError } from "../../domain/error.ts";
import type { Storage } from "../../storage/storage.ts";
import type { BlobIndex } from "./blob-index.ts";

type Place = Pick<Storage, "folders" | "location" | "list">;

/** Name of a pack, and of the folder of those that begin alike. */
const packPlace = /^data\/[0-9a-f]{2}(?:\/[0-9a-f]{64})?$/;

/** What each folder is for, and what mends its loss. */
const losses = {
  index: {
    state: "nothing but the list of backups can be read without it",
    remedy: "repair index makes it again from the packs",
  },
  data: {
    state: "no backup can be restored without it",
    remedy: "put it back from a copy of the repository, or mount the disk that it is on",
  },
} as const;

/**
 * A sentence where a folder that the backups need is gone, empty or a link, else "". Empty is what is left in
 * the place of a disk that is not mounted.
 */
export async function foldersFlaw(place: Place, signal: AbortSignal): Promise<string> {
  const { folders } = place;
  if (folders === undefined) return "";
  try {
    for (const name of ["data", "index"] as const) {
      const isThere = await folders.has(name, signal);
      if (await hasObjects(place, `${name}/`, signal)) continue;
      // The first backup fills both before its snapshot: where that is there, so was something in them, or is by now.
      const isLost =
        (await hasObjects(place, "snapshots/", signal)) && !(await hasObjects(place, `${name}/`, signal));
      if (!isLost) continue;
      const { state, remedy } = losses[name];
      const lost = isThere ? "holds nothing" : "is gone";
      return `The folder ${name} of the repository ${place.location} ${lost}, and ${state}: ${remedy}`;
    }
    return "";
  } catch (error) {
    if (!isBackupError(error, "unsafe")) throw error;
    return error.hint === undefined ? error.message : `${error.message}. ${error.hint}`;
  }
}

/**
 * Call before blobs are stored: those that the index says are there would not be stored again, and the
 * new backup would lack them, too (I1).
 *
 * @param index As it is in the repository. One that names no pack is what restic leaves when it has pruned them all.
 * @throws {BackupError} `damaged` where packs are indexed and there is not one
 */
export async function requirePacks(
  place: Place,
  index: Pick<BlobIndex, "size">,
  signal: AbortSignal,
): Promise<void> {
  if (index.size === 0 || (await hasObjects(place, "data/", signal))) return;
  throw new BackupError(
    "damaged",
    `Cannot store data in ${place.location}: its folder data holds no pack, although its index lists some`,
    {
      hint: "Put the folder back from a copy of the repository, or mount the disk that it is on. If it is lost, run repair index: the next backup then stores everything again.",
    },
  );
}

/**
 * Call where the packs that are there are counted: links are not followed, as other programs do, so
 * packs behind one would pass for lost, and be forgotten or stored again.
 *
 * @throws {BackupError} `unsafe` if a pack, or the folder of some, is a symbolic link
 */
export async function requireNoLinks({ folders, location }: Place, signal: AbortSignal): Promise<void> {
  const links = (await folders?.links("data", signal)) ?? [];
  const link = links.find((name) => packPlace.test(name));
  if (link === undefined) return;
  throw new BackupError("unsafe", `Cannot use ${link} of ${location}: it is a symbolic link`, {
    hint: "Put what it leads to in its place; or move the whole repository to the larger disk, where the vault folder itself may be a link, or mount that disk at its folder data (mount --bind).",
  });
}

async function hasObjects(place: Place, prefix: string, signal: AbortSignal): Promise<boolean> {
  for await (const _object of place.list(prefix, signal)) return true;
  return false;
}
