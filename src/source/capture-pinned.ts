/**
 * Capture in WAL mode: a read transaction pins one state of the database, and
 * SQLite copies it from inside that transaction while writers go on. Without
 * the pin every commit would start the copy again, for ever.
 *
 * @module
 */

import { BackupError } from "../domain/error.ts";
import type { Attempt, CaptureContext } from "./capture-attempt.ts";
import { removeImage } from "./capture-image.ts";
import { asOwner } from "./capture-owner.ts";
import { largestImage } from "./capture-plan.ts";
import { backup, type Database, openLive, pragma } from "./capture-sqlite.ts";

/** Bytes copied per step; between steps progress is told and nothing else happens. */
const stepBytes = 32 * 1024 * 1024;

/** Captures through SQLite. The app's database gets a shared lock and a read mark, nothing else (I9). */
export async function capturePinned(context: CaptureContext): Promise<Attempt> {
  const database = openPinned(context);
  try {
    const journalMode = pragma(database, "journal_mode");
    const tooLarge = await copyPinned(context, database);
    if (tooLarge === undefined) return { result: "made", method: "pinned-read", journalMode, warnings: [] };
    await removeImage(context.request.imagePath);
    return tooLarge;
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

async function copyPinned(context: CaptureContext, database: Database): Promise<Attempt | undefined> {
  const pageSize = Number(pragma(database, "page_size"));
  const limit = context.request.trust === "found" ? largestImage(context.files) : Number.POSITIVE_INFINITY;
  const watch = new CopyWatch(pageSize, limit, context.report);
  try {
    await backup(database, context.request.imagePath, {
      rate: Math.max(1, stepBytes / pageSize),
      progress: (pages) => watch.step(pages.totalPages, pages.remainingPages),
    });
    return undefined;
  } catch (error) {
    if (!watch.exceeded) throw error;
    const message = `Claims ${watch.totalBytes} bytes, far more than its files hold`;
    return { result: "refused", reason: "not-a-database", message };
  }
}

/** Follows a copy step by step and ends it when it does what it must not. */
class CopyWatch {
  exceeded = false;
  totalBytes = 0;
  #remaining = Number.POSITIVE_INFINITY;
  readonly #pageSize: number;
  readonly #limit: number;
  readonly #report: (done: number, total: number) => void;

  constructor(pageSize: number, limit: number, report: (done: number, total: number) => void) {
    this.#pageSize = pageSize;
    this.#limit = limit;
    this.#report = report;
  }

  /** Throwing here is how `backup()` is told to stop. */
  step(totalPages: number, remainingPages: number): void {
    this.totalBytes = totalPages * this.#pageSize;
    if (this.totalBytes > this.#limit) {
      this.exceeded = true;
      throw new BackupError("unsafe", "Cannot capture the database: it claims too many pages");
    }
    if (remainingPages > this.#remaining) {
      throw new BackupError("bug", "Cannot capture the database: the copy started again in spite of the pin");
    }
    this.#remaining = remainingPages;
    this.#report((totalPages - remainingPages) * this.#pageSize, this.totalBytes);
  }
}
