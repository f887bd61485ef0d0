/**
 * The home directory, and paths that begin with it, where no shell has read them.
 *
 * @module
 */

import { homedir, userInfo } from "node:os";
import { isAbsolute, join } from "node:path";
import { BackupError } from "../domain/error.ts";

/**
 * The path with `~/` at its beginning taken for the home directory, as people write it in files, in variables
 * of services and behind `--option=`, where shells leave it as it is. A folder that is called `~` is written `./~`.
 */
export function fromHome(path: string): string {
  return path === "~" || path.startsWith("~/") ? join(homeDirectory(), path.slice(1)) : path;
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
