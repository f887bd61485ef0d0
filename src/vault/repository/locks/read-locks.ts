/**
 * Reads the locks that are in a repository.
 *
 * @module
 */

import { setTimeout as sleep } from "node:timers/promises";
import { isBackupError } from "../../../domain/error.ts";
import { parseLock } from "../../../format/restic/lock.ts";
import type { LockDocument, ObjectId } from "../../../format/restic/model.ts";
import { boundedMap } from "../../bounded-map.ts";
import { failureOfFile } from "../input-failure.ts";
import { listObjects, loadObject } from "../objects.ts";
import type { Repository } from "../repository.ts";
import type { StoredLock } from "./lock-state.ts";

/** A lock that vanishes between listing and reading was refreshed or released; more often than this it is a storage that lies. */
const attemptsMax = 5;

/** A lock that is still being written is whole a moment later. */
const unreadablePausesMs: readonly number[] = [50, 150];

/** What is known of locks whose bytes were read before: a file never changes. */
export type KnownLocks = Map<ObjectId, LockDocument>;

/**
 * Every lock, but empty files: those are uploads that just begin, and their owners look for others' locks
 * only when they have ended. One that ends meanwhile may or may not be among them.
 */
export async function readLocks(
  repo: Repository,
  known: KnownLocks,
  signal: AbortSignal,
): Promise<readonly StoredLock[]> {
  for (let attempt = 1; ; attempt++) {
    const listed = (await listObjects(repo, "locks", signal)).filter(({ sizeBytes }) => sizeBytes > 0);
    const read = await boundedMap(listed, ({ id }) => readLock(repo, id, known, signal), signal);
    const vanished = read.includes("gone");
    // A lock that was refreshed just now is under another name, which this listing may have missed.
    if (vanished && attempt < attemptsMax) continue;
    return listed.map(({ id, modifiedAtMs }, i) => {
      const document = read[i];
      return { id, modifiedAtMs, document: document === "gone" ? undefined : document };
    });
  }
}

async function readLock(
  repo: Repository,
  id: ObjectId,
  known: KnownLocks,
  signal: AbortSignal,
): Promise<LockDocument | undefined | "gone"> {
  const before = known.get(id);
  if (before !== undefined) return before;
  for (const pauseMs of [...unreadablePausesMs, undefined]) {
    try {
      const document = parseLock(await loadObject(repo, "locks", id, signal));
      known.set(id, document);
      return document;
    } catch (error) {
      if (isBackupError(error, "not-found")) return "gone";
      await failureOfFile(repo.storage, error, signal);
    }
    if (pauseMs !== undefined) await sleep(pauseMs, undefined, { signal });
  }
  return undefined;
}
