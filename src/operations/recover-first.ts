/**
 * What every operation begins with: a restore that was cut short is finished at the
 * next start, whatever that start is for (I4).
 *
 * @module
 */

import { errorText } from "../domain/error.ts";
import type { Access, OperationContext } from "./context.ts";
import type { RunOptions, Started } from "./requests.ts";
import { recoverInterruptedRestores } from "./restore/recover.ts";

/** Where only the vault is needed, a state folder that cannot be read is a warning: lists must work for other users too. */
export async function recoverFirst(
  context: OperationContext,
  access: Access,
  { signal, observer }: Started<RunOptions>,
): Promise<void> {
  try {
    for (const { restoreId, direction, targets } of await recoverInterruptedRestores(context, signal)) {
      const outcome = direction === "forward" ? "completed" : "taken back";
      observer.warning(`Restore ${restoreId}, which was interrupted, was ${outcome}: ${targets.join(", ")}`);
    }
  } catch (error) {
    signal.throwIfAborted();
    if (access !== "vault") throw error;
    observer.warning(`Interrupted restores could not be looked for: ${errorText(error)}`);
  }
}
