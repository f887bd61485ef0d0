/**
 * Where the program keeps what is its own on this machine: restore journals and
 * scratch files.
 *
 * @module
 */

import { join, resolve } from "node:path";
import { fromHome, homeDirectory } from "./home-directory.ts";

/** Environment variables, as `process.env` has them. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The folder that is used unless one is configured. Absolute; need not exist. */
export function defaultStateDirectory(environment: Environment): string {
  const own = environment["VERTEX_BACKUP_STATE"];
  if (own) return resolve(fromHome(own));
  const stateHome = environment["XDG_STATE_HOME"];
  // The XDG base directory specification: relative values are to be ignored.
  if (stateHome?.startsWith("/")) return join(stateHome, "vertex-backup");
  return join(homeDirectory(), ".local", "state", "vertex-backup");
}
