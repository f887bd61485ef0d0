/**
 * A lock the kernel gives back when its holder ends, however it ends, and that
 * holds across containers which share the state directory. Node has no `flock`;
 * SQLite's own lock on an empty file is the same thing and comes with Node.
 *
 * @module
 */

import { DatabaseSync } from "node:sqlite";
import { BackupError, errorText } from "../../domain/error.ts";

/** SQLITE_BUSY and SQLITE_FULL, sqlite.org/rescode.html. */
const sqliteBusy = 5;
const sqliteFull = 13;

/**
 * Takes the lock of the file at `path`, which is made if it is not there; undefined while
 * anybody holds it, this process included. Disposing gives it back.
 *
 * @throws {BackupError} `no-space`; `storage-unavailable` where it cannot be made or opened
 */
export function tryLockFile(path: string): Disposable | undefined {
  const database = openLockFile(path);
  try {
    // Without a journal nothing is ever written beside the file.
    database.exec("PRAGMA journal_mode = OFF; BEGIN EXCLUSIVE");
  } catch (error) {
    database.close();
    if ((error as { errcode?: number }).errcode === sqliteBusy) return undefined;
    throw cannotLock(path, error);
  }
  return { [Symbol.dispose]: () => database.close() };
}

function openLockFile(path: string): DatabaseSync {
  try {
    return new DatabaseSync(path, { timeout: 0 });
  } catch (error) {
    throw cannotLock(path, error);
  }
}

function cannotLock(path: string, cause: unknown): BackupError {
  const isFull = (cause as { errcode?: number }).errcode === sqliteFull;
  return new BackupError(
    isFull ? "no-space" : "storage-unavailable",
    `Cannot lock ${path}: ${errorText(cause)}`,
    {
      cause,
      hint: "The state folder needs some space and must be writable for this user; VERTEX_BACKUP_STATE names another.",
    },
  );
}
