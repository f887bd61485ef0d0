/**
 * What becomes of the states that restores replaced and keep: only the newest of a
 * target stays, and any can be discarded. First the journal says durably that a state
 * is being deleted, which ends its being offered for an undo; then it is deleted, which
 * may take long or fail, so nobody waits for it and later commands take it up again.
 *
 * @module
 */

import type { ByteString } from "../../domain/byte-string.ts";
import { byteStringToDisplay } from "../../domain/byte-string.ts";
import { BackupError, errorText } from "../../domain/error.ts";
import { absolutePath } from "../tree/entry-path.ts";
import { isInside, journalTargets, pathsOverlap, type RestoreJournal } from "./restore-journal.ts";
import type { RestoreJournalStore } from "./restore-journal-store.ts";
import type { SwapDisk } from "./swap-disk.ts";

export interface KeptStateTools {
  readonly store: RestoreJournalStore;
  readonly disk: SwapDisk;
}

/** Longer than the store waits for its mutex, so that its own message is the one people see. */
const mutexWaitMs = 60_000;

/**
 * Says of every older restore that what `newer` has replaced again is to be deleted, unless it is
 * the only copy. May be repeated. Returns the ids of the restores it said so of.
 */
export async function supersede(
  newer: RestoreJournal,
  store: RestoreJournalStore,
): Promise<readonly string[]> {
  const marked: string[] = [];
  await store.exclusively(async () => {
    for (const older of await store.list()) {
      // What an undo has brought back is kept nowhere any more.
      const gone = older.id === newer.undoes ? older : replacedBy(newer, older);
      const moved = older.id === newer.undoes ? { ...older, areas: [], live: [] } : older;
      if (gone.areas.length + gone.live.length === 0) continue;
      if (await mark(moved, gone, store)) marked.push(older.id);
    }
  }, AbortSignal.timeout(mutexWaitMs));
  return marked;
}

/** What the older restore keeps and the newer one has replaced again. */
function replacedBy(newer: RestoreJournal, older: RestoreJournal): Pick<RestoreJournal, "areas" | "live"> {
  const isKept = older.state !== "kept" || older.onlyCopy === true;
  if (isKept || older.id === newer.id) return { areas: [], live: [] };
  const replaced = journalTargets(newer);
  const isReplaced = (path: string): boolean => replaced.some((other) => pathsOverlap(path, other));
  return {
    areas: older.areas.filter((area) => area.targets.some(isReplaced)),
    live: older.live.filter((target) => isReplaced(target.path)),
  };
}

/** What is to be known of a restore, which has just come to its end, beside the others that keep a state. */
export async function amongKept(
  journal: RestoreJournal,
  store: RestoreJournalStore,
): Promise<Pick<RestoreJournal, "onlyCopy" | "number">> {
  const others = (await store.list()).filter(({ id, state }) => state === "kept" && id !== journal.id);
  const onlyCopy = journal.onlyCopy === true || movedOnlyCopy(journal, others);
  const number = 1 + Math.max(0, ...others.map((other) => other.number ?? 0));
  return { ...(onlyCopy ? { onlyCopy } : {}), number };
}

/**
 * Tells whether an only copy that another restore keeps lay in what this one has moved aside: no
 * backup holds it, for walks leave it out. What it lies in now is an only copy from then on.
 */
function movedOnlyCopy({ areas }: RestoreJournal, others: readonly RestoreJournal[]): boolean {
  const moved = areas.flatMap(({ place, slots }) => slots.map(({ name }) => absolutePath(place, name)));
  const kept = others.filter(({ onlyCopy }) => onlyCopy === true).flatMap(({ areas: own }) => own);
  return kept.some(({ previous }) => moved.some((path) => isInside(previous, path)));
}

/**
 * Says durably that a part of what a restore keeps, or all of it, is going to be deleted. The caller
 * holds the store. False where nothing is left to delete: then the journal is gone or as it should be.
 */
export async function mark(
  { state: _, ...kept }: RestoreJournal,
  gone: Pick<RestoreJournal, "areas" | "live">,
  store: RestoreJournalStore,
): Promise<boolean> {
  const areas = kept.areas.filter((area) => !gone.areas.includes(area));
  const live = kept.live.filter((target) => !gone.live.includes(target));
  const trees = kept.areas.filter((area) => gone.areas.includes(area)).map(({ previous }) => previous);
  const discarding = [...(kept.discarding ?? []), ...trees];
  const isEmpty = areas.length + live.length === 0;
  if (isEmpty && discarding.length === 0) await store.remove(kept.id);
  else await store.write({ ...kept, areas, live, discarding, state: isEmpty ? "discarding" : "kept" });
  return discarding.length > 0;
}

/**
 * Deletes what the journal of this restore says is to be deleted. Left alone where another process is at it.
 *
 * @throws {BackupError} `storage-unavailable` if something of it cannot be deleted, after all that can be;
 *   it stays marked, and the next call tries again
 */
export async function deleteMarked(id: string, { store, disk }: KeptStateTools): Promise<void> {
  using lock = await store.lock(id);
  const trees = lock && (await store.read(id))?.discarding;
  if (trees === undefined || trees.length === 0) return;
  const left: ByteString[] = [];
  let failure: BackupError | undefined;
  for (const tree of trees) {
    try {
      await disk.removeTree(tree);
    } catch (error) {
      left.push(tree);
      failure ??= cannotDelete(id, tree, error);
    }
  }
  await store.exclusively(async () => {
    const journal = await store.read(id);
    if (journal === undefined) return;
    // Somebody may have marked more of it meanwhile.
    const discarding = (journal.discarding ?? []).filter(
      (tree) => left.includes(tree) || !trees.includes(tree),
    );
    if (journal.state === "discarding" && discarding.length === 0) await store.remove(id);
    else await store.write({ ...journal, discarding });
  }, AbortSignal.timeout(mutexWaitMs));
  if (failure !== undefined) throw failure;
}

/** Deletes what these journals say is to be deleted. What cannot be is a warning: no restore has failed because of it. */
export async function deleteSuperseded(
  ids: readonly string[],
  tools: KeptStateTools & { readonly warn: (message: string) => void },
): Promise<void> {
  for (const id of ids) {
    try {
      await deleteMarked(id, tools);
    } catch (error) {
      tools.warn(errorText(error));
    }
  }
}

function cannotDelete(id: string, tree: ByteString, cause: unknown): BackupError {
  return new BackupError(
    "storage-unavailable",
    `Cannot delete all of ${byteStringToDisplay(tree)}, which restore ${id} had kept: ${errorText(cause)}`,
    {
      cause,
      hint: "It is not offered for an undo any more. Remove what keeps it from being deleted; the next command goes on.",
    },
  );
}
