/**
 * What a failed read of stored bytes says: that these bytes are lost, or that the whole
 * storage is. A disk with a bad sector fails as one that is gone does, by its error alone.
 *
 * @module
 */

import { type BackupError, isBackupError } from "../../../domain/error.ts";
import type { Storage } from "../../../storage/storage.ts";
import { configName } from "../open-repository.ts";
import { stateOf } from "./decode-blobs.ts";

/** What the kernel says of a bad sector, and of a checksum of the file system's own that does not fit. */
const inputFailures: readonly unknown[] = ["EIO", "EBADMSG", "EUCLEAN"];

/** Whether the disk failed to read: nothing says that the bytes are wrong, and others may be readable. */
export function isInputFailure(error: unknown): error is BackupError {
  return isBackupError(error, "storage-unavailable") && inputFailures.includes(error.details["code"]);
}

/** A clause on why these bytes cannot be had. @throws the error itself where it is about more than them */
export async function readFailure(
  storage: Pick<Storage, "get">,
  error: unknown,
  signal: AbortSignal,
): Promise<string> {
  if (isBackupError(error, "not-found")) return "that pack is missing";
  if (isBackupError(error, "damaged")) return stateOf(error);
  if (!isInputFailure(error)) throw error;
  // A disk that cannot read one file any more is damage; a storage that answers nothing is not.
  for await (const _ of storage.get(configName, { offset: 0, length: 1 }, signal)) break;
  return `its bytes cannot be read: ${stateOf(error)}`;
}
