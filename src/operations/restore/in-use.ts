/**
 * Looks for processes that have a database open, which would go on writing to the
 * old file while a new one is in its place.
 *
 * @module
 */

import { BackupError } from "../../domain/error.ts";
import { findOpeners } from "../../source/open-files.ts";

/** Processes named in a message. */
const pidsShownMax = 5;

/** What people should know of a database that will be replaced; undefined where it is certain that nobody has it open. */
export function describeUse(path: string): { readonly inUse: boolean; readonly message: string } | undefined {
  const { pids, complete } = findOpeners(path);
  if (pids.length > 0) {
    const shown = pids.slice(0, pidsShownMax).join(", ");
    return {
      inUse: true,
      message: `${path} is open in ${pids.length === 1 ? "process" : "processes"} ${shown}`,
    };
  }
  if (complete) return undefined;
  return {
    inUse: false,
    message: `It cannot be known whether an app has ${path} open; stop the app before restoring`,
  };
}

/** @throws {BackupError} `unsafe` if one of the databases is open */
export function refuseInUse(paths: readonly string[]): void {
  for (const path of paths) {
    const use = describeUse(path);
    if (use?.inUse !== true) continue;
    throw new BackupError(
      "unsafe",
      `Cannot replace database ${path}: ${use.message.slice(path.length + 1)}`,
      {
        hint: "Stop the app first, or write into the running app's database with --live, or insist with --force.",
      },
    );
  }
}
