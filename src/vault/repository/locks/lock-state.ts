/**
 * Whether the owner of a lock can still be at work. Pure; the rules for locks that
 * say as little as restic's are restic's own, `internal/repository/lock_file.go`,
 * and stricter where nobody looks.
 *
 * @module
 */

import { isProvablyGone, type ThisMachine } from "../../../domain/run-owner.ts";
import type { LockDocument, ObjectId } from "../../../format/restic/model.ts";

/** A file of `locks/`. */
export interface StoredLock {
  readonly id: ObjectId;
  /** Undefined where the file cannot be read: half written, or damaged. */
  readonly document: LockDocument | undefined;
  /** By the storage's clock. A lock is refreshed by a new file, so this is its last sign of life. */
  readonly modifiedAtMs: number;
}

/** How often a lock is refreshed, by restic and by us. */
export const refreshIntervalMs: number = 5 * 60_000;

/** After this long without a refresh others take the owner for gone. */
const silenceMsMax: number = 30 * 60_000;

/** Its owner gives up before others may take it for gone; the rest is for clocks that differ. */
export const ownSilenceMsMax: number = silenceMsMax - (refreshIntervalMs * 3) / 2;

/** After this a lock of somebody alive has been refreshed, unless the storage was away. */
const refreshedForSureMs: number = refreshIntervalMs + 2 * 60_000;

/**
 * Tells whether a lock may be passed over without anybody looking (I7): its owner is provably gone, or
 * was silent for {@link silenceMsMax} by the storage's clock.
 *
 * restic's locks name only host and pid. Containers that share a host name, and copies of one virtual
 * machine, have pids of their own, so that a missing pid proves nothing by itself: it counts once a
 * living owner would have refreshed the lock.
 *
 * @param nowMs Now, by the storage's clock
 */
export function isLockGone(lock: StoredLock, machine: ThisMachine, nowMs: number): boolean {
  const silentMs = nowMs - lock.modifiedAtMs;
  if (silentMs >= silenceMsMax) return true;
  const { document } = lock;
  if (document === undefined) return false;
  if (document.owner !== undefined) {
    return isProvablyGone({ host: document.hostname, pid: document.pid, ...document.owner }, machine);
  }
  return silentMs >= refreshedForSureMs && isProcessMissing(document, machine);
}

/**
 * Tells whether a lock is stale where somebody asked for stale locks to be removed: as {@link isLockGone},
 * but a missing pid counts at once, as it does to restic.
 *
 * @param nowMs Now, by this machine's clock, which may differ from the storage's and from the owner's
 */
export function isLockStale(lock: StoredLock, machine: ThisMachine, nowMs: number): boolean {
  const { document } = lock;
  const lastSeenMs = Math.max(lock.modifiedAtMs, document?.timeMs ?? 0);
  if (isLockGone({ ...lock, modifiedAtMs: lastSeenMs }, machine, nowMs)) return true;
  return document !== undefined && document.owner === undefined && isProcessMissing(document, machine);
}

function isProcessMissing(document: LockDocument, machine: ThisMachine): boolean {
  return document.hostname === machine.owner.host && machine.startTicksOf(document.pid) === undefined;
}

/** The end of "Cannot lock the vault: ". */
export function describeLock(lock: StoredLock): string {
  if (lock.document === undefined) return `its lock ${lock.id.slice(0, 8)} cannot be read`;
  const { exclusive, hostname, pid, time } = lock.document;
  return `process ${pid} on ${hostname} holds it${exclusive ? " exclusively" : ""}, as it said at ${time}`;
}
