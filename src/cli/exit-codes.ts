/**
 * What the process says to the script that started it. The only place where
 * kinds of failure become numbers; the numbers are restic's where restic has one,
 * so that scripts carry over. `docs/errors.md` lists them and a test compares.
 *
 * @module
 */

import type { BackupState } from "../domain/backup.ts";
import type { ErrorKind } from "../domain/error.ts";

/** Every code the program ends with. */
export type ExitCode = 0 | 1 | 2 | 3 | 10 | 11 | 12 | 13 | 130;

/** The code of each kind of failure. A new kind does not compile until it has one. */
export const exitCodeOfKind: Readonly<Record<ErrorKind, ExitCode>> = {
  "not-found": 10,
  exists: 1,
  damaged: 13,
  "wrong-password": 12,
  locked: 11,
  "storage-unavailable": 1,
  "no-space": 1,
  "source-unavailable": 1,
  unsupported: 1,
  unsafe: 1,
  "invalid-input": 2,
  bug: 1,
};

/** Done, but incomplete, suspect or with a damaged database in it: somebody should look. */
export const exitCodeIncomplete: ExitCode = 3;

/** Ended by Ctrl-C or a signal, cleaned up. */
export const exitCodeCancelled: ExitCode = 130;

/** The code of a `create` that made a backup in this state. */
export function exitCodeOfState(state: BackupState): ExitCode {
  return state === "good" ? 0 : exitCodeIncomplete;
}
