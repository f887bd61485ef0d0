/**
 * Every file of a repository, sorted by what it is.
 *
 * @module
 */

import type { ObjectId } from "../../../../format/restic/model.ts";
import { requireNoLinks } from "../../data-folders.ts";
import { isObjectId, packName } from "../../objects.ts";
import type { Repository } from "../../repository.ts";

export interface RepositoryFiles {
  /** Size of every pack that is there. */
  readonly packs: ReadonlyMap<ObjectId, number>;
  /** Names that nothing in a repository has. */
  readonly unknown: readonly string[];
}

/** Folders whose files are named by their hash. */
const documentFolders: ReadonlySet<string> = new Set(["index", "keys", "locks", "snapshots"]);

/** Records and pins, which this program keeps beside restic's files. */
const ownFolder = "vertex-backup/";

/** Unknown names that are kept: an app's folder inside the repository's may have any number. */
const unknownMax = 100;

/** One listing of everything. @throws {BackupError} `unsafe` where links are in the way */
export async function listFiles(
  repo: Pick<Repository, "storage">,
  signal: AbortSignal,
): Promise<RepositoryFiles> {
  const packs = new Map<ObjectId, number>();
  const unknown: string[] = [];
  await requireNoLinks(repo.storage, signal);
  for await (const { name, sizeBytes } of repo.storage.list("", signal)) {
    signal.throwIfAborted();
    const slash = name.lastIndexOf("/");
    const id = name.slice(slash + 1);
    if (isObjectId(id) && name === packName(id)) packs.set(id, sizeBytes);
    else if (!isKnown(name, name.slice(0, Math.max(0, slash)), id) && unknown.length < unknownMax) {
      unknown.push(name);
    }
  }
  return { packs, unknown };
}

function isKnown(name: string, folder: string, id: string): boolean {
  if (name === "config" || name.startsWith(ownFolder)) return true;
  return documentFolders.has(folder) && isObjectId(id);
}
