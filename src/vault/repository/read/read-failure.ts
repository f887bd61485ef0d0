/**
 * What a failed read of stored bytes says: that these bytes are lost, or that the whole
 * storage is. A disk with a bad sector fails as one that is gone does, by its error alone.
 *
 * @module
 */

import { isBackupError } from "../../../domain/error.ts";
import type { Storage } from "../../../storage/storage.ts";
import { isInputFailure } from "../../unreadable-file.ts";
import { requireAnswer } from "../input-failure.ts";
import { stateOf } from "./decode-blobs.ts";

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
  await requireAnswer(storage, signal);
  return `its bytes cannot be read: ${stateOf(error)}`;
}
