/**
 * Stores a snapshot that another program made, as it is: the same trees, no manifest,
 * none of our tags. It stays that program's, so no rotation of ours removes it (I5).
 *
 * @module
 */

import type { Backup } from "../../../domain/backup.ts";
import { BackupError } from "../../../domain/error.ts";
import type { SnapshotDocument } from "../../../format/restic/model.ts";
import { encodeSnapshot, parseSnapshot } from "../../../format/restic/snapshot.ts";
import type { ForeignSnapshot, TakeOptions } from "../../vault.ts";
import { BlobIndex } from "../blob-index.ts";
import { requirePacks } from "../data-folders.ts";
import { describeSnapshot } from "../describe-backup.ts";
import { loadSharedIndex } from "../load-index.ts";
import type { RepositoryLock } from "../locks/repository-lock.ts";
import { backupIds, loadSnapshots } from "../maintenance/load-snapshots.ts";
import { putDocument, removeObjects, sealDocument } from "../objects.ts";
import type { Repository } from "../repository.ts";
import { openBlobStore } from "../store/blob-store.ts";

/** Undoing has a signal of its own, because that of the run is often aborted already. */
const undoTimeoutMs = 60_000;

/** Where it is stored, under a shared lock. */
export interface SnapshotTarget extends Omit<TakeOptions, "lockWaitMs"> {
  readonly repo: Repository;
  readonly lock: RepositoryLock;
}

/** Its last step makes the backup visible (I1). */
export async function takeSnapshot(
  target: SnapshotTarget,
  foreign: ForeignSnapshot,
  signal: AbortSignal,
): Promise<Backup> {
  const { repo, lock } = target;
  const either = AbortSignal.any([signal, lock.lost]);
  await storeBlobs(repo, lock, foreign, either);
  const document = await withFreeId(target, parseSnapshot(Buffer.from(foreign.document, "latin1")), either);
  await target.beforeVisible(either);
  const snapshotId = await putSnapshot(target, document, either);
  const { backup } = describeSnapshot(document.original ?? snapshotId, document, undefined);
  return backup.id === snapshotId ? backup : { ...backup, snapshotId };
}

/**
 * Where a backup has the id of the original already, a damaged copy for one, the new one is known by
 * an id of its own: records of the other must not become its.
 */
async function withFreeId(
  { repo, idMayBeTaken }: SnapshotTarget,
  document: SnapshotDocument,
  signal: AbortSignal,
): Promise<SnapshotDocument> {
  if (!idMayBeTaken) return document;
  const { original, ...rest } = document;
  const { snapshots } = await loadSnapshots(repo, signal);
  const isTaken = [...backupIds(snapshots)].some((ids) => ids.some((id) => id === original));
  return isTaken ? rest : document;
}

async function storeBlobs(
  repo: Repository,
  lock: RepositoryLock,
  foreign: ForeignSnapshot,
  signal: AbortSignal,
): Promise<void> {
  const { index: known } = await loadSharedIndex(repo, signal);
  await requirePacks(repo.storage, known, signal);
  const index = new BlobIndex(known);
  const store = openBlobStore(repo, index, { assertHeld: (held) => lock.assertHeld(held) }, signal);
  try {
    const isMissing = ({ id, type }: Parameters<Parameters<ForeignSnapshot["blobs"]>[0]>[0]): boolean =>
      !index.has(id, type);
    for await (const { id, type, bytes } of foreign.blobs(isMissing, signal)) {
      const saved = await store.saveBlob(type, bytes);
      // I6: trees name what they are made of by these ids.
      if (saved.id !== id)
        throw new BackupError("damaged", `Cannot store blob ${id}: its hash is ${saved.id}`);
    }
    await store.flush();
  } finally {
    await store.close();
  }
}

async function putSnapshot(
  { repo, lock, observer }: SnapshotTarget,
  document: SnapshotDocument,
  signal: AbortSignal,
): Promise<string> {
  const sealed = sealDocument(repo, encodeSnapshot(document));
  // I7: somebody who took this run for gone may have removed its packs.
  await lock.assertHeld(signal);
  try {
    await putDocument(repo, "snapshots", sealed, signal);
    // Once more, for a machine that slept during the put.
    await lock.assertHeld(signal);
    return sealed.id;
  } catch (error) {
    // An answer may have been lost: nobody is to see what was not promised.
    try {
      await removeObjects(repo, "snapshots", [sealed.id], AbortSignal.timeout(undoTimeoutMs));
    } catch {
      observer.warning(`The snapshot ${sealed.id} could not be removed again`);
    }
    throw error;
  }
}
