/**
 * Which processes keep a database locked for themselves, as Linux lists locks in
 * `/proc/locks`: so that people hear who is in the way, and what it does. Opens no
 * database.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import type { LiveFiles } from "./capture-files.ts";

/** The bytes that every reader locks, by SQLite's file format; who locks all of them to write keeps every reader out. */
const sharedFirst = 0x40000002;
const sharedLast = sharedFirst + 509;

/** Waiters, which have an arrow, are left out. Processes of other pid namespaces have no number here: 0 or less. */
const writeLock = /^\d+: (?:POSIX|OFDLCK)\s+\w+\s+WRITE\s+(-?\d+) [0-9a-f]+:[0-9a-f]+:(\d+) (\d+) (\d+|EOF)$/;

/** Ids of processes that let no reader in, out of the text of `/proc/locks`; 0 for one that has none here. */
export function parseHolders(locks: string, inode: bigint): readonly number[] {
  const holders = new Set<number>();
  for (const line of locks.split("\n")) {
    const [, pid = "", ino = "", start = "", end = ""] = writeLock.exec(line) ?? [];
    if (ino !== String(inode)) continue;
    const last = end === "EOF" ? Number.POSITIVE_INFINITY : Number(end);
    if (Number(start) <= sharedFirst && last >= sharedLast) holders.add(Math.max(0, Number(pid)));
  }
  return [...holders];
}

/** What to say of a database that stayed locked until nobody waited any longer: `message`, and who and what it is. */
export function explainLocked({ database }: LiveFiles, message: string, isLocked: boolean): string {
  const holders = database === undefined ? [] : parseHolders(readLocks(), database.ino);
  // Without a list of locks, as on network file systems, SQLite's word for it has to do.
  if (holders.length === 0 && !isLocked) return message;
  const pids = holders.filter((pid) => pid > 0);
  const numbered = pids.length === 1 ? `process ${pids[0]}` : `processes ${pids.join(", ")}`;
  const who = pids.length === 0 ? "another program" : numbered;
  const cause = "as PRAGMA locking_mode=EXCLUSIVE and transactions that stay open do";
  const remedy = "let it use locking_mode=NORMAL, or back up while it is stopped";
  return `${message}: ${who} kept it locked all the time, ${cause}; ${remedy}`;
}

function readLocks(): string {
  try {
    return readFileSync("/proc/locks", "latin1");
  } catch {
    return "";
  }
}
