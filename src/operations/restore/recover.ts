/**
 * Takes up restores that were interrupted, at the start of every command: all
 * their targets are taken forward or back together (I4).
 *
 * @module
 */

import type { Direction, RecoveryTools } from "../../source/swap-recovery.ts";
import { finishJournal } from "../../source/swap-recovery.ts";
import { RestoreJournalStore } from "../../source/restore-journal-store.ts";
import { realDisk } from "../../source/swap-disk.ts";
import { journalTargets, type RestoreJournal } from "../../source/restore-journal.ts";
import type { OperationContext } from "../context.ts";
import { installLiveTargets } from "./live.ts";

/** One restore that was interrupted and has now come to its end. */
export interface RecoveredRestore {
  readonly restoreId: string;
  /** `forward`: the targets are as the restore wanted them. `back`: as they were before it. */
  readonly direction: Direction;
  /** Absolute paths. */
  readonly targets: readonly string[];
}

/**
 * Finishes every restore whose process ended before it did. One that is still running is
 * left alone. Costs one look at a folder where there is nothing to do.
 */
export async function recoverInterruptedRestores(
  context: OperationContext,
  signal: AbortSignal,
): Promise<readonly RecoveredRestore[]> {
  const store = new RestoreJournalStore(context.stateDirectory, realDisk);
  const recovered: RecoveredRestore[] = [];
  for (const journal of await store.list()) {
    signal.throwIfAborted();
    if (journal.state === "kept") continue;
    const tools = recoveryTools(context, store, signal);
    const outcome = await recoverOne(journal, tools);
    if (outcome !== undefined) recovered.push(outcome);
  }
  return recovered;
}

/** What finishing a journal needs, with the real disk. */
export function recoveryTools(
  context: OperationContext,
  store: RestoreJournalStore,
  signal: AbortSignal,
): RecoveryTools {
  return { store, disk: realDisk, installLive: (journal) => installLiveTargets(context, journal, signal) };
}

async function recoverOne(
  found: RestoreJournal,
  tools: RecoveryTools,
): Promise<RecoveredRestore | undefined> {
  using lock = await tools.store.lock(found.id);
  if (lock === undefined) return undefined;
  // It may have come to its end between the listing and the lock.
  const journal = await tools.store.read(found.id);
  if (journal === undefined || journal.state === "kept") return undefined;
  const targets = journalTargets(journal);
  return { restoreId: journal.id, direction: await finishJournal(journal, tools), targets };
}
