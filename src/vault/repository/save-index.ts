/**
 * Stores files of the index by a run that holds a lock. An index that names packs which
 * are gone is worse than none: the next backup would take their blobs for stored.
 *
 * @module
 */

import { BackupError, isBackupError } from "../../domain/error.ts";
import { encodeIndex } from "../../format/restic/index-file.ts";
import type { IndexedPack, ObjectId } from "../../format/restic/model.ts";
import { putDocument, removeObjects, sealDocument } from "./objects.ts";
import type { Repository } from "./repository.ts";

/** Undoing has a signal of its own: that of the run ends with its lock. */
const undoTimeoutMs = 60_000;

/** Throws where somebody may have taken the run for gone. */
export type AssertHeld = (signal: AbortSignal) => Promise<void>;

/**
 * Returns when an index of these packs is durable and the lock was held all the while (I7). Where it
 * was lost, somebody may have removed the packs, as nobody names them yet: then the file is taken back.
 *
 * @throws {BackupError} `locked`
 */
export async function saveIndexHeld(
  repo: Repository,
  packs: readonly IndexedPack[],
  assertHeld: AssertHeld,
  signal: AbortSignal,
): Promise<void> {
  await assertHeld(signal);
  signal.throwIfAborted();
  const sealed = sealDocument(repo, encodeIndex(packs));
  try {
    await putDocument(repo, "index", sealed, signal);
    // Once more, for a machine that slept during the put.
    await assertHeld(signal);
  } catch (error) {
    if (isBackupError(error, "locked")) await takeBack(repo, sealed.id, error);
    throw error;
  }
}

async function takeBack(repo: Repository, id: ObjectId, lost: BackupError): Promise<void> {
  const gone = removeObjects(repo, "index", [id], AbortSignal.timeout(undoTimeoutMs));
  await gone.catch((error: unknown) => {
    throw notTakenBack(id, lost, error);
  });
}

function notTakenBack(id: ObjectId, lost: BackupError, cause: unknown): BackupError {
  return new BackupError("locked", `${lost.message}; index/${id} could not be taken back`, {
    cause,
    hint: "Run repair index: that file may name packs which are gone.",
  });
}
