/**
 * The state of a backup as one coloured word.
 *
 * @module
 */

import type { Backup, BackupState, DatabaseCheck } from "../../domain/backup.ts";
import type { Paint, Palette } from "./palette.ts";
import { safeText } from "./safe-text.ts";

/** The colour of a state: green good, yellow wants a look, red damaged. */
export function statePaint(state: BackupState, palette: Palette): Paint {
  if (state === "good") return palette.green;
  return state === "damaged" ? palette.red : palette.yellow;
}

/** `incomplete: 2 files could not be read`, coloured. */
export function formatState(backup: Backup, palette: Palette): string {
  const state = statePaint(backup.state, palette)(backup.state);
  return backup.stateReason === "" ? state : `${state}: ${safeText(backup.stateReason)}`;
}

/** `quick_check ok`, `not checked`, `quick_check: wrong # of entries in index i`, or `not checked: file is not a database`. */
export function formatCheck({ method, ok, messages }: DatabaseCheck): string {
  const name = method === "not-run" ? "not checked" : method;
  if (ok) return method === "not-run" ? name : `${name} ok`;
  return messages.length === 0 ? `${name}: failed` : `${name}: ${safeText(messages.join("; "))}`;
}
