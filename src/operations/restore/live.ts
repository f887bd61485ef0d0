/**
 * Restores that write databases through SQLite, so that a running app sees them
 * without a restart.
 *
 * @module
 */

import { BackupError } from "../../domain/error.ts";
import type { RestoreJournal } from "../../source/restore-journal.ts";
import type { OperationContext } from "../context.ts";

/** Installs every image of `journal.live`, each in one transaction. May be repeated after a crash. */
export function installLiveTargets(
  _context: OperationContext,
  journal: RestoreJournal,
  _signal: AbortSignal,
): Promise<void> {
  throw new BackupError("bug", `Cannot install the databases of restore ${journal.id}: not there yet`);
}
