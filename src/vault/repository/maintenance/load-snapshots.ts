/**
 * All snapshots of a repository, whoever made them, and those that cannot be read.
 *
 * @module
 */

import { BackupError, isBackupError } from "../../../domain/error.ts";
import type { ObjectId, SnapshotDocument } from "../../../format/restic/model.ts";
import { parseSnapshot } from "../../../format/restic/snapshot.ts";
import { boundedMap } from "../../bounded-map.ts";
import { failureOfFile } from "../input-failure.ts";
import { documentName, isObjectId, listObjects, loadObject } from "../objects.ts";
import type { Repository } from "../repository.ts";
import { requireSnapshotsFolder } from "../snapshots-folder.ts";

/** The field of a snapshot that a repair wrote: the name of the one whose place it takes. */
export const replacesField = "vertex_backup_replaces";

export interface StoredSnapshot {
  /** Name of its file. */
  readonly id: ObjectId;
  readonly document: SnapshotDocument;
}

interface DamagedSnapshot {
  readonly id: ObjectId;
  readonly error: BackupError;
  /** It is no file of ours to remove: whoever put it there has the snapshot somewhere. */
  readonly isStranger?: true;
}

export interface LoadedSnapshots {
  /** Newest first. */
  readonly snapshots: readonly StoredSnapshot[];
  /** Those that cannot be read: damaged, or on a bad part of the disk. */
  readonly damaged: readonly DamagedSnapshot[];
  /** Listed, and not there when they were read: somebody removed them meanwhile. */
  readonly vanished: readonly ObjectId[];
}

/**
 * Damage of one is a finding. Load them before the index: what they name is in it then.
 *
 * @throws {BackupError} `damaged` where the whole folder is gone
 */
export async function loadSnapshots(repo: Repository, signal: AbortSignal): Promise<LoadedSnapshots> {
  const snapshots: StoredSnapshot[] = [];
  const damaged = await strangeSnapshots(repo, signal);
  const vanished: ObjectId[] = [];
  const listed = await listObjects(repo, "snapshots", signal);
  if (listed.length === 0) await requireSnapshotsFolder(repo.storage, signal);
  await boundedMap(
    listed,
    async ({ id }) => {
      try {
        snapshots.push({ id, document: parseSnapshot(await loadObject(repo, "snapshots", id, signal)) });
      } catch (error) {
        if (isBackupError(error, "not-found")) vanished.push(id);
        else damaged.push({ id, error: await failureOfFile(repo.storage, error, signal) });
      }
    },
    signal,
  );
  const byTime = (a: StoredSnapshot, b: StoredSnapshot): number =>
    b.document.timeMs - a.document.timeMs || (a.id < b.id ? -1 : 1);
  return { snapshots: snapshots.sort(byTime), damaged, vanished };
}

/** Names of snapshots that are no files: nobody could read them, and without them their data would count for unused. */
async function strangeSnapshots({ storage }: Repository, signal: AbortSignal): Promise<DamagedSnapshot[]> {
  const names = (await storage.folders?.strangers("snapshots", signal)) ?? [];
  return names.filter(isObjectId).map((id) => {
    const message = `Cannot read ${documentName("snapshots", id)}: it is no regular file`;
    const hint = "Put the file itself there; links and folders are not followed.";
    return { id, error: new BackupError("damaged", message, { hint }), isStranger: true };
  });
}

/**
 * The id a backup is known by: of the snapshot it was first, however often it was rewritten; unless
 * another snapshot has that id already. Of several that were made of one that is gone it is what a
 * repair put in its place, else the newest.
 */
export function backupIds(snapshots: readonly StoredSnapshot[]): ReadonlyMap<ObjectId, string> {
  const taken = new Set(
    snapshots.filter(({ document }) => document.original === undefined).map(({ id }) => id),
  );
  const all = new Set(snapshots.map(({ id }) => id));
  const repaired = new Map<string, ObjectId>();
  for (const { id, document } of snapshots) {
    if (document.original !== undefined && document.others?.has(replacesField) === true)
      repaired.set(document.original, id);
  }
  const ids = new Map<ObjectId, string>();
  for (const { id, document } of snapshots) {
    const wanted = document.original ?? id;
    const isOthers = all.has(wanted) || taken.has(wanted) || (repaired.get(wanted) ?? id) !== id;
    const isFree = wanted === id || !isOthers;
    ids.set(id, isFree ? wanted : id);
    taken.add(ids.get(id) ?? id);
  }
  return ids;
}
