/**
 * Which way a live database is captured, decided from one look at its files.
 * Arithmetic only: no file is touched here.
 *
 * @module
 */

import { isSqliteHeader, parseDatabaseHeader } from "../../format/sqlite/header.ts";
import type { LiveFiles } from "./capture-files.ts";

/**
 * - `absent`, `not-a-file`, `empty`, `not-a-database`: nothing for SQLite to open
 * - `unsafe-sidecar`: a link (also a hard one), pipe or folder lies where SQLite would look for a sidecar
 * - `pinned`: WAL mode with its shared memory there
 * - `locked`: rollback modes, under a shared lock
 * - `scratch`: opening it in place would write beside it, so it is recovered on a copy
 */
export type CapturePlan =
  | "absent"
  | "not-a-file"
  | "empty"
  | "not-a-database"
  | "unsafe-sidecar"
  | "pinned"
  | "locked"
  | "scratch";

/**
 * Decides.
 *
 * @param start - The first bytes of the database file.
 * @param hotJournal - SQLite said repeatedly that an unfinished transaction waits to be rolled back.
 */
export function planCapture(files: LiveFiles, start: Uint8Array, hotJournal: boolean): CapturePlan {
  const fileProblem = planWithoutContent(files);
  if (fileProblem !== undefined) return fileProblem;
  if (!isSqliteHeader(start)) return "not-a-database";
  if (hotJournal) return "scratch";
  // SQLite reads a log that holds something whatever the header says; an empty one is like none.
  const hasLog = (files.wal?.size ?? 0n) > 0n;
  if (!hasLog && parseDatabaseHeader(start)?.isWal !== true) return "locked";
  // Both are there while an app is running, and after it was killed. If one is missing
  // SQLite would make it, in the app's folder, even on a read-only handle (I9).
  return files.wal !== undefined && files.shm !== undefined ? "pinned" : "scratch";
}

/** What can be said before the file is opened at all. */
export function planWithoutContent(files: LiveFiles): CapturePlan | undefined {
  if (files.database === undefined) return "absent";
  if (!files.database.isFile()) return "not-a-file";
  if (files.database.size === 0n) return "empty";
  // A second name of some other file would be given to the database's owner by SQLite run as root.
  // No name at all is a journal seen while it is removed.
  const sidecars = [files.journal, files.wal, files.shm];
  const plain = sidecars.every((stat) => stat === undefined || (stat.isFile() && stat.nlink <= 1n));
  return plain ? undefined : "unsafe-sidecar";
}

/**
 * The most bytes an image of a stranger's database may have. A forged log can
 * claim four thousand million pages; honest ones exceed what lies on disk only
 * by free pages that were never written.
 */
export function largestImage(files: LiveFiles): number {
  const onDisk = Number((files.database?.size ?? 0n) + (files.wal?.size ?? 0n));
  return 2 * onDisk + 64 * 1024 * 1024;
}

/** Tells whether a file claims far more bytes than its file system holds of it. */
export function isMostlyHoles(files: LiveFiles): boolean {
  const stat = files.database;
  return stat !== undefined && stat.size > 64n * 1024n * 1024n && stat.size > 16n * 512n * stat.blocks;
}

/**
 * The journal mode to record for a database in a rollback mode. It is a property
 * of connections, not of the file; what lies there gives most of it away.
 */
export function rollbackMode(files: LiveFiles, journalIsZeroed: boolean): string {
  if (files.journal === undefined) return "delete";
  if (files.journal.size === 0n) return "truncate";
  return journalIsZeroed ? "persist" : "delete";
}
