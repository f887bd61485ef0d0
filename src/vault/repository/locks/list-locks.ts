/**
 * The locks of a repository for people, and their removal on request.
 *
 * @module
 */

import type { VaultLock } from "../../maintenance.ts";
import { removeObjects } from "../objects.ts";
import type { Repository } from "../repository.ts";
import { isLockGone, isLockStale, type StoredLock } from "./lock-state.ts";
import { readLocks } from "./read-locks.ts";

/** All locks, oldest first. Those that cannot be read name no process. */
export async function listLocks(repo: Repository, signal: AbortSignal): Promise<readonly VaultLock[]> {
  return described(await readLocks(repo, new Map(), signal));
}

/** Removes locks that are stale, as somebody asked for; with `all`, every lock. Returns those removed. */
export async function removeStaleLocks(
  repo: Repository,
  options: { readonly all: boolean },
  signal: AbortSignal,
): Promise<readonly VaultLock[]> {
  const locks = await readLocks(repo, new Map(), signal);
  const nowMs = repo.clock.now();
  return await removeThose(
    repo,
    locks,
    (lock) => options.all || isLockStale(lock, repo.machine, nowMs),
    signal,
  );
}

/** Removes locks whose owners are gone, unasked (I8). Returns how many. */
export async function cleanLocks(repo: Repository, signal: AbortSignal): Promise<number> {
  const locks = await readLocks(repo, new Map(), signal);
  const nowMs = repo.clock.now();
  // Both clocks have to agree: nothing of our own tells the storage's time here.
  const isGone = (lock: StoredLock): boolean => {
    const lastSeenMs = Math.max(lock.modifiedAtMs, lock.document?.timeMs ?? 0);
    return isLockGone({ ...lock, modifiedAtMs: lastSeenMs }, repo.machine, nowMs);
  };
  return (await removeThose(repo, locks, isGone, signal)).length;
}

async function removeThose(
  repo: Repository,
  locks: readonly StoredLock[],
  isWanted: (lock: StoredLock) => boolean,
  signal: AbortSignal,
): Promise<readonly VaultLock[]> {
  const wanted = locks.filter(isWanted);
  await removeObjects(
    repo,
    "locks",
    wanted.map(({ id }) => id),
    signal,
  );
  return described(wanted);
}

function described(locks: readonly StoredLock[]): readonly VaultLock[] {
  return locks
    .map(({ id, document, modifiedAtMs }) => ({
      id,
      atMs: document?.timeMs ?? modifiedAtMs,
      // Of one that cannot be read the worst is assumed, as when locking beside it.
      exclusive: document?.exclusive ?? true,
      host: document?.hostname ?? "",
      username: document?.username ?? "",
      pid: document?.pid ?? 0,
    }))
    .toSorted((a, b) => a.atMs - b.atMs);
}
