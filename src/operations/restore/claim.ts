/**
 * Claims the targets of a restore, so that no two restores work on one place.
 *
 * @module
 */

import { randomBytes } from "node:crypto";
import { localStamp } from "../../domain/clock.ts";
import { BackupError } from "../../domain/error.ts";
import {
  isEnded,
  journalTargets,
  pathsOverlap,
  type RestoreJournal,
} from "../../source/swap/restore-journal.ts";
import type { RestoreJournalStore } from "../../source/swap/restore-journal-store.ts";
import type { OperationContext } from "../context.ts";

/** A new name for a restore: its start and something that no other one has. */
export function newRestoreId(context: Pick<OperationContext, "clock">): string {
  return `${localStamp(context.clock.now())}-${randomBytes(3).toString("hex")}`;
}

/**
 * Writes the journal, durably, unless another restore is at work on one of its targets.
 * Disposing says that nobody works on this restore any more.
 *
 * @throws {BackupError} `locked`
 */
export async function claimTargets(
  store: RestoreJournalStore,
  journal: RestoreJournal,
  signal: AbortSignal,
): Promise<Disposable> {
  return await store.exclusively(async () => {
    await refuseOverlap(store, journal);
    if (journal.undoes !== undefined) await requireKept(store, journal.undoes);
    const lock = await store.lock(journal.id);
    if (lock === undefined)
      throw new BackupError("bug", `Cannot claim restore ${journal.id}: its name is taken`);
    try {
      await store.write(journal);
      return lock;
    } catch (error) {
      lock[Symbol.dispose]();
      throw error;
    }
  }, signal);
}

/** Whoever wants to undo has looked before; meanwhile it may have been discarded, or replaced again. */
async function requireKept(store: RestoreJournalStore, id: string): Promise<void> {
  if ((await store.read(id))?.state !== "kept") throw nothingKept(`restore ${id}`);
}

/** @param what The restore meant, as people named it */
export function nothingKept(what: string): BackupError {
  return new BackupError("not-found", `Cannot find what ${what} replaced: nothing is kept`, {
    hint: "It was undone, discarded, or replaced by a later restore to the same place, or is one of another vault; a safety backup of it may be in the vault.",
  });
}

/** @throws {BackupError} `locked` if an unfinished restore has one of the targets */
export async function refuseOverlap(store: RestoreJournalStore, journal: RestoreJournal): Promise<void> {
  const wanted = journalTargets(journal);
  for (const other of await store.list()) {
    if (isEnded(other) || other.id === journal.id) continue;
    const shared = journalTargets(other).find((path) => wanted.some((own) => pathsOverlap(own, path)));
    if (shared === undefined) continue;
    using abandoned = await store.lock(other.id);
    throw abandoned === undefined ? atWork(shared, other) : unfinished(shared, other);
  }
}

function atWork(target: string, { id, owner }: RestoreJournal): BackupError {
  return new BackupError("locked", `Cannot restore to ${target}: another restore is at work there`, {
    retryable: true,
    details: { restore_id: id, host: owner.host, pid: owner.pid },
    hint: `Wait for process ${owner.pid} on ${owner.host} to end.`,
  });
}

function unfinished(target: string, { id }: RestoreJournal): BackupError {
  return new BackupError("locked", `Cannot restore to ${target}: restore ${id} there is not finished`, {
    retryable: true,
    details: { restore_id: id },
    hint: "The warning before this says what keeps it from being finished; remove that cause and try again.",
  });
}
