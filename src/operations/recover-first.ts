/**
 * What every operation begins with: a restore that was cut short is finished at the
 * next start, whatever that start is for (I4).
 *
 * @module
 */

import { errorText } from "../domain/error.ts";
import { journalIds } from "../source/swap/restore-journal-names.ts";
import type { Access, OperationContext } from "./context.ts";
import type { RunOptions, Started } from "./requests.ts";
import { recoverWherePossible } from "./verbs.ts";

/**
 * A restore that can neither be finished nor taken back stops only restores to the same
 * targets. Journals that cannot be read stop what works on restores: lists must work for
 * users who cannot read the state folder, and a source that is being backed up must not go
 * without a backup because of it.
 */
export async function recoverFirst(
  context: OperationContext,
  access: Access,
  { signal, observer }: Started<RunOptions>,
): Promise<void> {
  try {
    if (!(await holdsJournals(context, access, observer))) return;
    // It may have seen folders that are going to be exchanged.
    await context.dropWalk?.();
    const { recovered, failures, warnings } = await recoverWherePossible(context, signal);
    for (const warning of warnings) observer.warning(warning);
    for (const error of failures) observer.warning(notFinished(error));
    for (const { restoreId, direction, targets } of recovered) {
      const outcome = direction === "forward" ? "completed" : "taken back";
      observer.warning(`Restore ${restoreId}, which was interrupted, was ${outcome}: ${targets.join(", ")}`);
    }
  } catch (error) {
    signal.throwIfAborted();
    if (access === "state") throw error;
    observer.warning(notFinished(error));
  }
}

/** Where that cannot be seen, most likely no restore was ever begun: what is said says no more than that. */
async function holdsJournals(
  { stateDirectory }: OperationContext,
  access: Access,
  observer: Started<RunOptions>["observer"],
): Promise<boolean> {
  try {
    return (await journalIds(stateDirectory)).length > 0;
  } catch (error) {
    if (access === "state") throw error;
    observer.warning(errorText(error));
    return false;
  }
}

function notFinished(error: unknown): string {
  return `An interrupted restore could not be completed or taken back: ${errorText(error)}`;
}
