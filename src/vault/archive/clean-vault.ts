/**
 * Removes what runs left that are gone (I8), and nothing else.
 *
 * @module
 */

import { isBackupError } from "../../domain/error.ts";
import { silentObserver } from "../../domain/progress.ts";
import type { Storage } from "../../storage/storage.ts";
import type { CleanReport } from "../vault.ts";
import { type Run, readRuns } from "./bytes/runs.ts";
import { foreignNames } from "./foreign-names.ts";
import { reservedIds } from "./locks/run-document.ts";
import type { RunLocks } from "./locks/run-locks.ts";
import { removeUnnamed } from "./remove-backups.ts";

const nothing: CleanReport = { objectsRemoved: 0, locksBroken: 0 };

/** Cleans if nobody else is at work; else it is left to the next run, because waiting for that is not worth it. */
export async function cleanVault(
  storage: Storage,
  locks: RunLocks,
  signal: AbortSignal,
): Promise<CleanReport> {
  if ((await readRuns(storage, signal)).length === 0) {
    return { objectsRemoved: await storage.cleanUnfinished(signal), locksBroken: 0 };
  }
  const options = { lockWaitMs: 0, observer: silentObserver };
  let exclusive: Awaited<ReturnType<RunLocks["acquireExclusive"]>>;
  try {
    exclusive = await locks.acquireExclusive("clean", options, signal);
  } catch (error) {
    if (isBackupError(error, "locked")) return nothing;
    throw error;
  }
  try {
    const removed = await cleanRuns(storage, exclusive.gone, signal);
    const unfinished = await storage.cleanUnfinished(signal);
    return { objectsRemoved: removed + unfinished, locksBroken: exclusive.gone.length };
  } finally {
    await locks.release(exclusive.lock, options);
  }
}

async function cleanRuns(storage: Storage, gone: readonly Run[], signal: AbortSignal): Promise<number> {
  let removed = 0;
  for (const run of gone) {
    signal.throwIfAborted();
    const keep = await foreignNames(storage, run, signal);
    const unnamed = await removeUnnamed(storage, reservedIds(run.base, run.document), signal, keep);
    removed += unnamed;
    // Last: as long as it is there, what it reserved stays invisible and is cleaned again.
    for (const name of run.names) await storage.remove([name], signal);
  }
  return removed;
}
