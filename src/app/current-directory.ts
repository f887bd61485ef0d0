/**
 * The folder that relative paths are meant from.
 *
 * @module
 */

import { BackupError, reasonText } from "../domain/error.ts";

/**
 * The absolute path of this process's current folder.
 *
 * @throws {BackupError} `source-unavailable` where it is gone, as after somebody deleted it
 */
export function currentDirectory(): string {
  try {
    return process.cwd();
  } catch (error) {
    throw notThere(error);
  }
}

function notThere(cause: unknown): BackupError {
  const isGone = (cause as NodeJS.ErrnoException).code === "ENOENT";
  const state = isGone ? "it does not exist any more" : reasonText(cause);
  return new BackupError("source-unavailable", `Cannot use the current folder: ${state}`, {
    cause,
    hint: "Change into a folder that exists, and run it again from there.",
  });
}
