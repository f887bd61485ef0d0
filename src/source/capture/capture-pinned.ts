/**
 * Capture in WAL mode: a read transaction pins one state of the database while
 * writers go on. Under the pin the file is copied and what is committed in the log
 * put on top, here or, where the log is large, by SQLite as after a crash.
 *
 * Why that is consistent: the pin keeps the log from being started anew and
 * everything younger than itself out of the database file. So the file's pages
 * are either untouched, or the copied log holds a newer version of them. The
 * one exception, a log that was wholly written back when the pin came, may be
 * started anew; then the file alone is the pinned state, and stays it. A log that was
 * read whole before that may be put on top all the same.
 *
 * @module
 */

import { closeSync, fstatSync } from "node:fs";
import { rm } from "node:fs/promises";
import {
  committedPages,
  currentGenerationBytes,
  parseWalHeader,
  walFrameHeaderBytes,
  walHeaderBytes,
} from "../../format/sqlite/wal.ts";
import { type Attempt, again, type CaptureContext } from "./capture-attempt.ts";
import { copyToImage, lookAt, openForReading, readAt, sidecarPath } from "./capture-files.ts";
import { copyMerged } from "./capture-merged.ts";
import { asOwner } from "./capture-owner.ts";
import { recoverCopy } from "./capture-recovery.ts";
import { type Database, openLive, pragma } from "./capture-sqlite.ts";

/**
 * A log up to this size is held in memory and put into the image while that is written, so that each of its
 * bytes is final at once. The usual log has 4 MB; the heap of the process is no place for a gigabyte.
 */
const mergedLogBytesMax = 16 * 1024 * 1024;

const pinnedRead: Attempt = { result: "made", method: "pinned-read", journalMode: "wal", warnings: [] };

/** Captures under a pin. The app's database gets a shared lock and nothing else (I9). */
export async function capturePinned(context: CaptureContext): Promise<Attempt> {
  // Closed after SQLite has closed the file: closing any descriptor of it in
  // this process would drop the locks that are the pin.
  const source = openForReading(context.path);
  try {
    const attempt = await copyPinned(context, source);
    if (attempt !== "to-recover") return attempt;
  } finally {
    closeSync(source);
  }
  return recoverCopy(context) ?? pinnedRead;
}

async function copyPinned(context: CaptureContext, source: number): Promise<Attempt | "to-recover"> {
  const database = openPinned(context);
  try {
    // In a rollback mode this lock would keep the app from writing: not here.
    if (pragma(database, "journal_mode") !== "wal") return again("it left WAL mode");
    const files = lookAt(context.path);
    if (files.database?.ino !== fstatSync(source, { bigint: true }).ino) return again("it was replaced");
    return await copyFiles(context, source);
  } finally {
    database.close();
  }
}

async function copyFiles(context: CaptureContext, source: number): Promise<Attempt | "to-recover"> {
  const logPath = sidecarPath(context.path, "-wal");
  const log = openForReading(logPath);
  try {
    // Everything up to the pin lies in the log by now; what is appended later need not be chased.
    const generation = readAt(log, 0, walHeaderBytes);
    const logBytes = usedBytes(log, generation);
    const startedAnew = (): boolean => Buffer.compare(generation, readAt(log, 0, walHeaderBytes)) !== 0;
    if (logBytes > mergedLogBytesMax) return await copyBoth(context, source, { log, logBytes, startedAnew });
    const bytes = readAt(log, 0, logBytes);
    const pages = startedAnew() ? undefined : committedPages(bytes);
    return (await copyMerged(context, source, pages && { ...pages, bytes })) ?? pinnedRead;
  } finally {
    closeSync(log);
  }
}

interface LargeLog {
  readonly log: number;
  readonly logBytes: number;
  readonly startedAnew: () => boolean;
}

/** For SQLite to put one into the other. */
async function copyBoth(
  context: CaptureContext,
  source: number,
  { log, logBytes, startedAnew }: LargeLog,
): Promise<"to-recover"> {
  const { imagePath } = context.request;
  const fileBytes = fstatSync(source).size;
  const total = fileBytes + logBytes;
  const report = (done: number): void => context.report(done, total);
  await copyToImage(source, imagePath, { limit: fileBytes, report });
  const reportLog = (done: number): void => context.report(fileBytes + done, total);
  await copyToImage(log, `${imagePath}-wal`, { limit: logBytes, report: reportLog });
  if (startedAnew()) await rm(`${imagePath}-wal`);
  return "to-recover";
}

function usedBytes(log: number, start: Uint8Array): number {
  const header = parseWalHeader(start);
  if (header === undefined) return 0;
  const size = fstatSync(log).size;
  return currentGenerationBytes(header, size, (at) => readAt(log, at, walFrameHeaderBytes));
}

function openPinned(context: CaptureContext): Database {
  return asOwner(context.files.database, () => {
    const database = openLive(context.path);
    try {
      pinState(database);
      return database;
    } catch (error) {
      database.close();
      throw error;
    }
  });
}

/**
 * Starts a read transaction and makes it take hold: BEGIN alone takes no lock.
 * A pragma does, without reading the schema, so that a database with a damaged
 * schema can still be captured.
 */
export function pinState(database: Database): void {
  database.exec("BEGIN");
  pragma(database, "user_version");
}
