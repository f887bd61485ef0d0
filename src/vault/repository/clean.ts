/**
 * Removes what runs left that are gone (I8): their locks, and unfinished writes. Packs
 * that no index lists are left to the next backup, which takes them, and to prune.
 *
 * @module
 */

import type { CleanReport } from "../vault.ts";
import { cleanLocks } from "./locks/list-locks.ts";
import type { Repository } from "./repository.ts";

export async function cleanRepository(repo: Repository, signal: AbortSignal): Promise<CleanReport> {
  const [locksBroken, objectsRemoved] = await Promise.all([
    cleanLocks(repo, signal),
    repo.storage.cleanUnfinished(signal),
  ]);
  return { objectsRemoved, locksBroken };
}
