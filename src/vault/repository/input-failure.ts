/**
 * Tells a disk that cannot read one file any more from a storage that answers nothing.
 * Both fail with the same error: only a look at another file says which it is.
 *
 * @module
 */

import { type BackupError, isBackupError } from "../../domain/error.ts";
import type { Storage } from "../../storage/storage.ts";
import { isInputFailure } from "../unreadable-file.ts";
import { configName } from "./objects.ts";

/** Asks for a byte of the file without which nothing can be read. @throws {BackupError} as the storage */
export async function requireAnswer(storage: Pick<Storage, "get">, signal: AbortSignal): Promise<void> {
  try {
    for await (const _ of storage.get(configName, { offset: 0, length: 1 }, signal)) break;
  } catch (error) {
    // Where a repository is only being made there is none, and that is an answer too.
    if (!isBackupError(error, "not-found")) throw error;
  }
}

/** The error, if it is about this one file: it is damaged, or on a bad part of the disk. @throws the error where it says more */
export async function failureOfFile(
  storage: Pick<Storage, "get">,
  error: unknown,
  signal: AbortSignal,
): Promise<BackupError> {
  if (isBackupError(error, "damaged")) return error;
  if (!isInputFailure(error)) throw error;
  await requireAnswer(storage, signal);
  return error;
}
