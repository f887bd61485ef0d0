/**
 * Where the program keeps what is its own on this machine: restore journals and
 * scratch files.
 *
 * @module
 */

import { homedir, userInfo } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import { BackupError } from "../domain/error.ts";

/** Environment variables, as `process.env` has them. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The folder that is used unless one is configured. Absolute; need not exist. */
export function defaultStateDirectory(environment: Environment): string {
  const own = environment["VERTEX_BACKUP_STATE"];
  if (own) return resolve(own);
  const stateHome = environment["XDG_STATE_HOME"];
  // The XDG base directory specification: relative values are to be ignored.
  if (stateHome?.startsWith("/")) return join(stateHome, "vertex-backup");
  return join(homeDirectory(), ".local", "state", "vertex-backup");
}

/**
 * The home directory, absolute. A `HOME` that is empty or relative, as services have it at times, says nothing:
 * `~/x` would be `/x`, and the state would lie wherever the program is started.
 *
 * @throws {BackupError} `invalid-input` where the system does not know it either
 */
export function homeDirectory(): string {
  try {
    const home = homedir();
    if (isAbsolute(home)) return home;
    const known = userInfo().homedir;
    if (isAbsolute(known)) return known;
  } catch (cause) {
    // Users of containers may have a number only.
    throw noHome(cause);
  }
  throw noHome(undefined);
}

function noHome(cause: unknown): BackupError {
  return new BackupError("invalid-input", "Cannot tell the home directory: HOME is not set to a whole path", {
    cause,
    hint: "Set HOME; or set VERTEX_BACKUP_STATE to a folder for the program's state, and begin no path with ~/.",
  });
}
