/**
 * `restore`: puts a backup back, built aside, verified, synced and swapped in
 * under a journal that spans all targets (I4), after a safety backup of what is
 * there.
 *
 * @module
 */

import { BackupError } from "../../domain/error.ts";
import type { OperationContext } from "../context.ts";
import type { RestorePlan, RestoreRequest, RestoreResult, Started } from "../requests.ts";

/**
 * Says what a restore would do. Touches nothing.
 *
 * @throws {BackupError} `not-found`, `damaged`, `unsafe`, `invalid-input`
 */
export function planRestore(
  _context: OperationContext,
  request: Started<RestoreRequest>,
): Promise<RestorePlan> {
  throw new BackupError("bug", `Cannot plan the restore of ${request.backup}: not there yet`);
}

/**
 * Restores a backup. Cancelled or failed before the swap, everything is as it was; the
 * swap itself, some renames, is not cancelled.
 *
 * @param plan as {@link planRestore} returned it; made when left out
 */
export function restore(
  _context: OperationContext,
  request: Started<RestoreRequest>,
  _plan?: RestorePlan,
): Promise<RestoreResult> {
  throw new BackupError("bug", `Cannot restore ${request.backup}: not there yet`);
}
