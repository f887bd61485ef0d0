/**
 * Reads where a vault is, as people and restic's variables write it. Only folders of
 * this machine so far: what names another place is refused, because as a path it
 * would become a folder called `s3:...`.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { BackupError, errorText } from "../domain/error.ts";
import type { Environment } from "./state-directory.ts";

/** As restic names its backends. */
const remotePattern = /^(azure|b2|gs|rclone|rest|s3|sftp|swift):/;

/** A location is a line; what is longer is some other file. */
const locationCharactersMax = 64 * 1024;

/**
 * The absolute folder that `text` names, as a path or as `local:PATH`.
 *
 * @throws {BackupError} `unsupported` for a place on the network
 */
export function localFolder(text: string, baseDirectory: string): string {
  const remote = remotePattern.exec(text);
  if (remote === null) return resolve(baseDirectory, text.replace(/^local:/, ""));
  // Without what follows: it may hold a password.
  throw new BackupError("unsupported", `Cannot use a vault at ${remote[0]}...: only folders are supported`, {
    hint: "Name a folder of this machine; one whose name begins like that is written ./NAME.",
  });
}

/**
 * The folder of `RESTIC_REPOSITORY` or of the file `RESTIC_REPOSITORY_FILE` names; undefined
 * where neither is set.
 *
 * @throws {BackupError} `unsupported`; `invalid-input` where both are set; `source-unavailable`
 */
export function resticFolder(environment: Environment, currentDirectory: string): string | undefined {
  const repository = environment["RESTIC_REPOSITORY"];
  const file = environment["RESTIC_REPOSITORY_FILE"];
  if (repository && file) {
    throw new BackupError(
      "invalid-input",
      "Cannot use RESTIC_REPOSITORY and RESTIC_REPOSITORY_FILE: the repository is in one of them",
      { hint: "Unset one of the two." },
    );
  }
  const location = file ? readLocation(resolve(currentDirectory, file)) : repository;
  return location ? localFolder(location, currentDirectory) : undefined;
}

function readLocation(file: string): string {
  const text = attemptRead(file).trim();
  if (text !== "" && text.length <= locationCharactersMax) return text;
  throw new BackupError("invalid-input", `Cannot use RESTIC_REPOSITORY_FILE ${file}: no path is in it`);
}

function attemptRead(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw unreadable(file, error);
  }
}

function unreadable(file: string, cause: unknown): BackupError {
  const message = `Cannot read RESTIC_REPOSITORY_FILE ${file}: ${errorText(cause)}`;
  return new BackupError("source-unavailable", message, { cause });
}
