/**
 * Tells a disk that cannot read a file's bytes from a storage that answers nothing.
 *
 * @module
 */

import { type BackupError, isBackupError } from "../domain/error.ts";

/** What the kernel says of a bad sector, and of a checksum of the file system's own that does not fit. */
const inputFailures: readonly unknown[] = ["EIO", "EBADMSG", "EUCLEAN"];

/** Whether the disk failed to read: nothing says that the bytes are wrong, and others may be readable. */
export function isInputFailure(error: unknown): error is BackupError {
  return isBackupError(error, "storage-unavailable") && inputFailures.includes(error.details["code"]);
}
