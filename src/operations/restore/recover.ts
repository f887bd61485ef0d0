/**
 * Takes up restores that were interrupted, at the start of every command: all
 * their targets are taken forward or back together (I4).
 *
 * @module
 */

import { errorText } from "../../domain/error.ts";
import { deleteSuperseded } from "../../source/swap/kept-states.ts";
import { isEnded, journalTargets, type RestoreJournal } from "../../source/swap/restore-journal.ts";
import { RestoreJournalStore } from "../../source/swap/restore-journal-store.ts";
import { realDisk } from "../../source/swap/swap-disk.ts";
import { type Direction, finishJournal, type RecoveryTools } from "../../source/swap/swap-recovery.ts";
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

/** What {@link recoverWherePossible} did. */
export interface Recovery {
  readonly recovered: readonly RecoveredRestore[];
  /** One for each restore that can neither be finished nor taken back now; nothing of it is lost. */
  readonly failures: readonly unknown[];
  /** What people should know besides: a kept state that is to be deleted and cannot be. */
  readonly warnings: readonly string[];
}

/**
 * Finishes every restore whose process ended before it did. One that is still running is
 * left alone. Costs one look at a folder where there is nothing to do.
 *
 * @throws {BackupError} if one can neither be finished nor taken back now, after the others; nothing is lost
 */
export async function recoverInterruptedRestores(
  context: OperationContext,
  signal: AbortSignal,
): Promise<readonly RecoveredRestore[]> {
  const { recovered, failures } = await recoverWherePossible(context, signal);
  if (failures.length > 0) throw failures[0];
  return recovered;
}

/**
 * The same, but one that cannot be finished now keeps no other from it: the journals are
 * those of all apps of this user, and claiming refuses the targets of an unfinished one.
 */
export async function recoverWherePossible(
  context: OperationContext,
  signal: AbortSignal,
): Promise<Recovery> {
  const store = openJournals(context);
  const warnings: string[] = [];
  const tools = recoveryTools(context, store, (message) => void warnings.push(message), signal);
  const recovered: RecoveredRestore[] = [];
  const failures: unknown[] = [];
  for (const journal of await store.list()) {
    signal.throwIfAborted();
    try {
      if (journal.discarding !== undefined) await deleteSuperseded([journal.id], tools);
      const outcome = isEnded(journal) ? undefined : await recoverOne(journal, tools);
      if (outcome !== undefined) recovered.push(outcome);
    } catch (error) {
      signal.throwIfAborted();
      failures.push(error);
    }
  }
  return { recovered, failures, warnings };
}

/** The journals of this machine. */
export function openJournals(context: Pick<OperationContext, "stateDirectory">): RestoreJournalStore {
  return new RestoreJournalStore(context.stateDirectory, realDisk);
}

/** What finishing a journal needs, with the real disk. */
export function recoveryTools(
  context: OperationContext,
  store: RestoreJournalStore,
  warn: (message: string) => void,
  signal: AbortSignal,
): RecoveryTools {
  const installLive = (journal: RestoreJournal): Promise<void> =>
    installLiveTargets(context, journal, warn, signal);
  return { store, disk: realDisk, installLive, warn };
}

/**
 * Takes back a restore that failed before its swap. What keeps that from its end is a warning, for
 * the caller has the failure itself to report; the next command tries again.
 */
export async function abandonRestore(
  journal: RestoreJournal,
  tools: RecoveryTools,
  warn: (message: string) => void,
): Promise<void> {
  try {
    await finishJournal(journal, tools);
  } catch (error) {
    warn(
      `What restore ${journal.id} had built could not be removed, which the next command does: ${errorText(error)}`,
    );
  }
}

async function recoverOne(
  found: RestoreJournal,
  tools: RecoveryTools,
): Promise<RecoveredRestore | undefined> {
  using lock = await tools.store.lock(found.id);
  if (lock === undefined) return undefined;
  // It may have come to its end between the listing and the lock.
  const journal = await tools.store.read(found.id);
  if (journal === undefined || isEnded(journal)) return undefined;
  const targets = journalTargets(journal);
  return { restoreId: journal.id, direction: await finishJournal(journal, tools), targets };
}
