/**
 * Which processes keep a database locked for themselves, as Linux lists locks in
 * `/proc/locks`: so that people hear who is in the way, and what it does. Opens no
 * database.
 *
 * @module
 */

import { type BigIntStats, readFileSync } from "node:fs";
import { hasFileOpen } from "../open-files.ts";
import type { LiveFiles } from "./capture-files.ts";

/** The bytes that every reader locks, by SQLite's file format; who locks all of them to write keeps every reader out. */
const sharedFirst = 0x40000002;
const sharedLast = sharedFirst + 509;

/** Waiters, which have an arrow, are left out. Processes of other pid namespaces have no number here: 0 or less. */
const writeLock =
  /^\d+: (?:POSIX|OFDLCK)\s+\w+\s+WRITE\s+(-?\d+) ([0-9a-f]+:[0-9a-f]+):(\d+) (\d+) (\d+|EOF)$/;

interface Holder {
  /** 0 where it has none here. */
  readonly pid: number;
  /** Of the file system; not what `stat` says where that makes devices of its own, as btrfs and overlays do. */
  readonly device: string;
}

/** Who lets no reader into a file of this inode number, on any file system, out of the text of `/proc/locks`. */
export function parseHolders(locks: string, inode: bigint): readonly Holder[] {
  const holders: Holder[] = [];
  for (const line of locks.split("\n")) {
    const [, pid = "", device = "", ino = "", start = "", end = ""] = writeLock.exec(line) ?? [];
    if (ino !== String(inode)) continue;
    const last = end === "EOF" ? Number.POSITIVE_INFINITY : Number(end);
    if (Number(start) <= sharedFirst && last >= sharedLast)
      holders.push({ pid: Math.max(0, Number(pid)), device });
  }
  return holders;
}

/** What to say of a database that stayed locked until nobody waited any longer: `message`, and who and what it is. */
export function explainLocked(
  { database }: LiveFiles,
  message: string,
  isLocked: boolean,
  procPath = "/proc",
): string {
  const holders = database === undefined ? [] : findHolders(database, procPath);
  // Without a list of locks, as on network file systems, SQLite's word for it has to do.
  if (holders.length === 0 && !isLocked) return message;
  const pids = holders.filter((pid) => pid > 0);
  const numbered = pids.length === 1 ? `process ${pids[0]}` : `processes ${pids.join(", ")}`;
  const who = pids.length === 0 ? "another program" : numbered;
  const cause = "as PRAGMA locking_mode=EXCLUSIVE and transactions that stay open do";
  const remedy = "let it use locking_mode=NORMAL, or back up while it is stopped";
  return `${message}: ${who} kept it locked all the time, ${cause}; ${remedy}`;
}

/** Ids of the processes; 0 for one whose id is not known for certain. Files of other file systems may have the same inode number. */
function findHolders(database: BigIntStats, procPath: string): readonly number[] {
  const found = new Set<number>();
  for (const { pid, device } of parseHolders(readLocks(procPath), database.ino)) {
    const state = pid === 0 ? "closed" : hasFileOpen(pid, database, procPath);
    const isSure = device === deviceOf(database.dev);
    if (state === "open" || (isSure && state === "unknown")) found.add(pid);
    else if (isSure) found.add(0);
  }
  return [...found];
}

/** As `/proc/locks` writes a device: the bits of both its numbers are spread over `dev`. */
function deviceOf(dev: bigint): string {
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn);
  const minor = (dev & 0xffn) | ((dev >> 12n) & 0xffffff00n);
  return [major, minor].map((number) => number.toString(16).padStart(2, "0")).join(":");
}

function readLocks(procPath: string): string {
  try {
    return readFileSync(`${procPath}/locks`, "latin1");
  } catch {
    return "";
  }
}
