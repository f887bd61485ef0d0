/**
 * Gives restored files, directories and links their owners, modes and times.
 *
 * @module
 */

import {
  chmodSync,
  fchmodSync,
  fchownSync,
  futimesSync,
  lchownSync,
  lutimesSync,
  type PathLike,
  utimesSync,
} from "node:fs";
import type { EntryAttributes } from "../../domain/entry.ts";

/** How owners and special bits of what is restored are treated. */
export interface OwnerPolicy {
  /** Only root can give files away. */
  readonly canChown: boolean;
  /** Owner and group of what this process makes. */
  readonly uid: number;
  readonly gid: number;
  /** What it owns it may give to these. */
  readonly groups: ReadonlySet<number>;
  /** Of foreign archives the bits that make a program run as its owner are never put back. */
  readonly dropsSetId: boolean;
}

/**
 * The policy for this process.
 *
 * @param gid Group of the folder it writes into, and so of all it makes there: in a set-group-id folder that
 *   is not its own
 */
export function ownerPolicy(dropsSetId: boolean, gid: number): OwnerPolicy {
  const uid = process.geteuid?.() ?? -1;
  const groups = new Set([...(process.getgroups?.() ?? []), process.getegid?.() ?? -1]);
  return { canChown: uid === 0, uid, gid, groups, dropsSetId };
}

/** Set-user-id and set-group-id. */
const setIdBits = 0o6000;

/**
 * The mode to give. Without its owner a set-id program would run as whoever restored it,
 * so those bits go where the owner went.
 */
export function modeToRestore(mode: number, ownerRestored: boolean, policy: OwnerPolicy): number {
  return ownerRestored && !policy.dropsSetId ? mode & 0o7777 : mode & 0o7777 & ~setIdBits;
}

/** 1901 to 2514: what ext4 can hold. Others are moved to the nearest that it can. */
const secondsMin = -(2 ** 31);
const secondsMax = 2 ** 34 - 1;

/**
 * Seconds since 1970 that the file system stores with the same microsecond. Half of one
 * is added, because libuv rounds a double down and would often come out one short.
 * Before 1970 it is text: of a negative number Node makes the present.
 */
export function secondsToRestore(timeNs: bigint): number | string {
  const microseconds = Number(timeNs >= 0n ? timeNs / 1000n : -((999n - timeNs) / 1000n));
  const seconds = (microseconds + 0.5) / 1e6;
  const bounded = Math.min(Math.max(seconds, secondsMin), secondsMax);
  return bounded < 0 ? String(bounded) : bounded;
}

/** @returns whether the owner is as recorded */
export function restoreFileAttributes(
  descriptor: number,
  entry: EntryAttributes,
  policy: OwnerPolicy,
): boolean {
  const owned = restoreOwner(entry, policy, (uid, gid) => fchownSync(descriptor, uid, gid));
  // After the owner: changing it clears set-id bits.
  fchmodSync(descriptor, modeToRestore(entry.mode, owned, policy));
  const seconds = secondsToRestore(entry.mtimeNs);
  futimesSync(descriptor, seconds, seconds);
  return owned;
}

/** For directories that cannot have been replaced by a link. @returns whether the owner is as recorded */
export function restoreDirectoryAttributes(
  path: PathLike,
  entry: EntryAttributes,
  policy: OwnerPolicy,
): boolean {
  const owned = restoreOwner(entry, policy, (uid, gid) => lchownSync(path, uid, gid));
  chmodSync(path, modeToRestore(entry.mode, owned, policy));
  const seconds = secondsToRestore(entry.mtimeNs);
  utimesSync(path, seconds, seconds);
  return owned;
}

/** Linux links have no mode of their own. @returns whether the owner is as recorded */
export function restoreLinkAttributes(path: PathLike, entry: EntryAttributes, policy: OwnerPolicy): boolean {
  const owned = restoreOwner(entry, policy, (uid, gid) => lchownSync(path, uid, gid));
  const seconds = secondsToRestore(entry.mtimeNs);
  lutimesSync(path, seconds, seconds);
  return owned;
}

/** Refusals of file systems without owners, and of user namespaces that do not know this one. */
const ownerRefusals: ReadonlySet<string | undefined> = new Set(["EPERM", "EINVAL", "ENOTSUP", "ENOSYS"]);

function restoreOwner(
  entry: EntryAttributes,
  policy: OwnerPolicy,
  change: (uid: number, gid: number) => void,
): boolean {
  const { canChown, groups } = policy;
  const uid = canChown ? entry.uid : policy.uid;
  if (uid === policy.uid && entry.gid === policy.gid) return uid === entry.uid;
  if (!canChown && !groups.has(entry.gid)) return false;
  try {
    change(uid, entry.gid);
    return uid === entry.uid;
  } catch (error) {
    if (ownerRefusals.has((error as NodeJS.ErrnoException).code)) return false;
    throw error;
  }
}
