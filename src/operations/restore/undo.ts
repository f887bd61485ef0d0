/**
 * `restore --undo` and `--discard`: what a restore replaced is kept beside the
 * targets until one of them is asked for.
 *
 * @module
 */

import { BackupError } from "../../domain/error.ts";
import type { OperationContext } from "../context.ts";
import type { RunOptions, Started, UndoResult } from "../requests.ts";

export interface UndoRequest extends RunOptions {
  /** The restore meant; the last one when left out. */
  readonly restoreId?: string;
}

/**
 * Brings back what a restore replaced, on all its targets together. What is there now
 * becomes the kept previous state, so that an undo can be undone.
 *
 * @throws {BackupError} `not-found` if nothing is kept
 */
export function undoRestore(_context: OperationContext, request: Started<UndoRequest>): Promise<UndoResult> {
  throw new BackupError("bug", `Cannot undo restore ${request.restoreId ?? ""}: not there yet`);
}

/** Deletes the previous state that a restore kept. Returns the absolute paths that are gone. */
export function discardPreviousState(
  _context: OperationContext,
  request: Started<UndoRequest>,
): Promise<readonly string[]> {
  throw new BackupError("bug", `Cannot discard for restore ${request.restoreId ?? ""}: not there yet`);
}
