/**
 * Who may work in a repository at the same time (I7), by restic's own protocol: put a
 * lock, look for those of others, back out where one of the two is exclusive. Described in
 * restic's `doc/design.rst`, "Locks".
 *
 * @module
 */

import { setTimeout as sleep } from "node:timers/promises";
import { BackupError, isBackupError } from "../../../domain/error.ts";
import type { ObjectId } from "../../../format/restic/model.ts";
import type { Storage } from "../../../storage/storage.ts";
import { LockWait } from "../../lock-wait.ts";
import type { LockOptions } from "../../vault.ts";
import { removeObjects } from "../objects.ts";
import type { Repository } from "../repository.ts";
import { describeLock, isLockGone, type StoredLock } from "./lock-state.ts";
import { type KnownLocks, readLocks } from "./read-locks.ts";
import { RepositoryLock } from "./repository-lock.ts";

/**
 * How long restic waits before it looks for others. We do where a listing may miss what was
 * just put; where it cannot, the later of two who put a lock always sees the earlier one.
 */
const settleMs = 200;

const waitHint =
  "Wait until that run has ended, then try again; if it was killed, unlock removes what it left.";

export interface AcquireOptions extends LockOptions {
  readonly exclusive: boolean;
}

/**
 * Files of ours that could not be removed, by storage; they are before the next lock is taken, because
 * a server would block itself with them otherwise.
 */
const leftBehind = new WeakMap<Storage, ObjectId[]>();

/**
 * A lock beside other shared ones, or the only one. Locks in the way whose owners are gone are removed.
 *
 * @throws {BackupError} `locked` after waiting `lockWaitMs`; `no-space`
 */
export async function acquireLock(
  repo: Repository,
  options: AcquireOptions,
  signal: AbortSignal,
): Promise<RepositoryLock> {
  await removeLeftBehind(repo, signal);
  const wait = new LockWait(repo.storage.location, repo.clock, options);
  const known: KnownLocks = new Map();
  // An exclusive lock that is put in vain makes restic fail beside it, so one looks first.
  let isFree = !options.exclusive;
  for (;;) {
    if (!isFree) await waitForOthers(repo, { options, wait, known }, signal);
    const { lock, holders } = await tryLock(repo, options, known, signal);
    if (lock !== undefined) return lock;
    await pause(wait, holders, signal);
    isFree = false;
  }
}

/**
 * Waits until nobody is at work beside whom such a lock could not be. Puts none, so that somebody may begin
 * right after.
 *
 * @throws {BackupError} `locked` after waiting `lockWaitMs`
 */
export async function awaitOthers(
  repo: Repository,
  options: AcquireOptions,
  signal: AbortSignal,
): Promise<void> {
  const wait = new LockWait(repo.storage.location, repo.clock, options);
  await waitForOthers(repo, { options, wait, known: new Map() }, signal);
}

interface Waiting {
  readonly options: AcquireOptions;
  readonly wait: LockWait;
  readonly known: KnownLocks;
}

async function waitForOthers(
  repo: Repository,
  { options, wait, known }: Waiting,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    const holders = conflicts(repo, await readLocks(repo, known, signal), options, repo.clock.now());
    if (holders.length === 0) return;
    await pause(wait, holders, signal);
  }
}

interface Attempt {
  readonly lock: RepositoryLock | undefined;
  readonly holders: readonly StoredLock[];
}

async function tryLock(
  repo: Repository,
  options: AcquireOptions,
  known: KnownLocks,
  signal: AbortSignal,
): Promise<Attempt> {
  const lock = new RepositoryLock(repo, options, (ids) => noteLeftBehind(repo.storage, ids));
  try {
    await putLock(repo, lock, signal);
    if (!repo.storage.properties.consistentList) await sleep(settleMs, undefined, { signal });
    // Looked at again after locks were broken: the owner of one may just have refreshed it.
    for (const broken = new Set<ObjectId>(); ; ) {
      const { others, nowMs } = await readOthers(repo, lock, known, signal);
      const holders = conflicts(repo, others, options, nowMs);
      if (holders.length > 0) {
        await lock.release();
        return { lock: undefined, holders };
      }
      const gone = others.filter((one) => !canBeBeside(one, options) && !broken.has(one.id));
      if (gone.length === 0) return { lock, holders };
      await breakLocks(repo, gone, signal);
      for (const { id } of gone) broken.add(id);
    }
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/** Whoever frees space by removing backups needs a lock for that, so there the usual advice leads nowhere. */
async function putLock({ storage }: Repository, lock: RepositoryLock, signal: AbortSignal): Promise<void> {
  try {
    await lock.put(signal);
  } catch (error) {
    throw isBackupError(error, "no-space") ? noRoomForLock(storage, error) : error;
  }
}

function noRoomForLock({ location }: Storage, cause: unknown): BackupError {
  return new BackupError("no-space", `Cannot lock ${location}: the disk is full`, {
    cause,
    hint: "Free a few kilobytes on it by other means first, for to remove backups takes a lock, too; then rotate and prune.",
  });
}

async function readOthers(
  repo: Repository,
  lock: RepositoryLock,
  known: KnownLocks,
  signal: AbortSignal,
): Promise<{ readonly others: readonly StoredLock[]; readonly nowMs: number }> {
  const locks = await readLocks(repo, known, signal);
  const own = locks.find(({ id }) => lock.ids.includes(id));
  if (own === undefined) throw vanished(repo);
  // Our own file's time is the storage's now.
  return { others: locks.filter(({ id }) => !lock.ids.includes(id)), nowMs: own.modifiedAtMs };
}

/** Those that cannot be beside a lock of ours, and whose owners may be at work. */
function conflicts(
  repo: Repository,
  locks: readonly StoredLock[],
  options: AcquireOptions,
  nowMs: number,
): readonly StoredLock[] {
  return locks.filter((lock) => !canBeBeside(lock, options) && !isLockGone(lock, repo.machine, nowMs));
}

/** One that cannot be read may be anything. */
function canBeBeside({ document }: StoredLock, { exclusive }: AcquireOptions): boolean {
  return !exclusive && document?.exclusive === false;
}

/**
 * I7: an owner that was only paused, with a virtual machine whose clocks stood still, knows nothing of its
 * silence when it goes on. It asks for its lock, and must not find it.
 */
async function breakLocks(repo: Repository, gone: readonly StoredLock[], signal: AbortSignal): Promise<void> {
  const ids = gone.map(({ id }) => id);
  await removeObjects(repo, "locks", ids, signal);
}

async function pause(wait: LockWait, holders: readonly StoredLock[], signal: AbortSignal): Promise<void> {
  const [first] = holders;
  await wait.pause(first === undefined ? "somebody holds it" : describeLock(first), signal, waitHint);
}

function vanished(repo: Repository): BackupError {
  return new BackupError("locked", `Cannot lock ${repo.storage.location}: the lock vanished`, {
    retryable: true,
    hint: "Somebody removed all locks; start it again.",
  });
}

function noteLeftBehind(storage: Storage, ids: readonly ObjectId[]): void {
  leftBehind.set(storage, [...(leftBehind.get(storage) ?? []), ...ids]);
}

async function removeLeftBehind(repo: Repository, signal: AbortSignal): Promise<void> {
  const ids = leftBehind.get(repo.storage);
  if (ids === undefined) return;
  await removeObjects(repo, "locks", ids, signal);
  leftBehind.delete(repo.storage);
}
