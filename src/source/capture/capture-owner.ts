/**
 * Opening somebody's database as its owner where we are root. SQLite as root
 * gives every journal and log it opens to the database's owner; between our
 * look and its open a stranger could put a link to `/etc/shadow` there. With
 * the owner's rights it can change nothing that is not the owner's anyway.
 *
 * @module
 */

import type { BigIntStats } from "node:fs";

/**
 * Runs `open`, which must be synchronous, with the rights of the database's
 * owner if this process is root, and back as root afterwards. Nothing else may
 * happen in the process meanwhile. Where the owner cannot reach the file it is
 * tried again as root: then the owner cannot plant anything there either.
 */
export function asOwner<T>(database: BigIntStats | undefined, open: () => T): T {
  const uid = Number(database?.uid ?? 0n);
  if (process.geteuid?.() !== 0 || uid === 0) return open();
  try {
    return withRightsOf(uid, Number(database?.gid ?? 0n), open);
  } catch (error) {
    if (!isRefusedOpen(error)) throw error;
    return open();
  }
}

function withRightsOf<T>(uid: number, gid: number, work: () => T): T {
  process.setegid?.(gid);
  try {
    process.seteuid?.(uid);
    return work();
  } finally {
    process.seteuid?.(0);
    process.setegid?.(0);
  }
}

/** SQLite's "unable to open database file". */
function isRefusedOpen(error: unknown): boolean {
  return error instanceof Error && "errcode" in error && error.errcode === 14;
}
