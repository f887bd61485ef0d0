/**
 * Capture in WAL mode: a read transaction pins one state of the database while
 * writers go on. Under the pin the files are copied as they are, and SQLite
 * puts the log into the copy, exactly as it would after a crash.
 *
 * Why that is consistent: the pin keeps the log from being started anew and
 * everything younger than itself out of the database file. So the file's pages
 * are either untouched, or the copied log holds a newer version of them. The
 * one exception, a log that was wholly written back when the pin came, may be
 * started anew; then the file alone is the pinned state, and stays it.
 *
 * @module
 */

import { closeSync, fstatSync } from "node:fs";
import { rm } from "node:fs/promises";
import { walHeaderBytes } from "../format/sqlite/wal.ts";
import { type Attempt, again, type CaptureContext } from "./capture-attempt.ts";
import { copyFileTo, copyToImage, lookAt, openForReading, readStart, sidecarPath } from "./capture-files.ts";
import { asOwner } from "./capture-owner.ts";
import { exceedsLimit, recoverCopy } from "./capture-recovery.ts";
import { type Database, openLive, pragma } from "./capture-sqlite.ts";

/** Captures under a pin. The app's database gets a shared lock and nothing else (I9). */
export async function capturePinned(context: CaptureContext): Promise<Attempt> {
  // Closed after SQLite has closed the file: closing any descriptor of it in
  // this process would drop the locks that are the pin.
  const source = openForReading(context.path);
  try {
    const attempt = await copyPinned(context, source);
    if (attempt.result !== "made") return attempt;
  } finally {
    closeSync(source);
  }
  recoverCopy(context.request.imagePath);
  const made: Attempt = { result: "made", method: "pinned-read", journalMode: "wal", warnings: [] };
  return exceedsLimit(context) ?? made;
}

async function copyPinned(context: CaptureContext, source: number): Promise<Attempt> {
  const { imagePath } = context.request;
  const database = openPinned(context);
  try {
    // In a rollback mode this lock would keep the app from writing: not here.
    if (pragma(database, "journal_mode") !== "wal") return again("it left WAL mode");
    const files = lookAt(context.path);
    if (files.database?.ino !== fstatSync(source, { bigint: true }).ino) return again("it was replaced");
    const logPath = sidecarPath(context.path, "-wal");
    const generation = Buffer.from(readStart(logPath, walHeaderBytes));
    const total = Number((files.database?.size ?? 0n) + (files.wal?.size ?? 0n));
    const done = await copyToImage(source, imagePath, (bytes) =>
      context.report(Math.min(bytes, total), total),
    );
    const copied = `${imagePath}-wal`;
    await copyFileTo(logPath, copied, (bytes) => context.report(Math.min(done + bytes, total), total));
    if (!generation.equals(readStart(logPath, walHeaderBytes))) await rm(copied);
    return { result: "made", method: "pinned-read", journalMode: "wal", warnings: [] };
  } finally {
    database.close();
  }
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
