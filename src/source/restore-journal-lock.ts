/**
 * A lock the kernel gives back when its holder ends, however it ends, and that
 * holds across containers which share the state directory. Node has no `flock`;
 * SQLite's own lock on an empty file is the same thing and comes with Node.
 *
 * @module
 */

import { DatabaseSync } from "node:sqlite";

/** SQLITE_BUSY, sqlite.org/rescode.html. */
const sqliteBusy = 5;

/**
 * Takes the lock of the file at `path`, which is made if it is not there; undefined while
 * anybody holds it, this process included. Disposing gives it back.
 */
export function tryLockFile(path: string): Disposable | undefined {
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    // Without a journal nothing is ever written beside the file.
    database.exec("PRAGMA journal_mode = OFF; BEGIN EXCLUSIVE");
  } catch (error) {
    database.close();
    if ((error as { errcode?: number }).errcode === sqliteBusy) return undefined;
    throw error;
  }
  return { [Symbol.dispose]: () => database.close() };
}
