/**
 * Records of backups that are gone, as where restic's forget removed one: it knows
 * nothing of our records. Pure.
 *
 * @module
 */

import type { RecordName } from "../recorded-facts.ts";
import { backupIds, type LoadedSnapshots } from "./maintenance/load-snapshots.ts";

/**
 * Those that belong to no snapshot; none where a snapshot could not be read, as nobody knows whose it is.
 * Whoever removes them holds the exclusive lock, and has listed snapshots under it: a backup that is only
 * just made, or pinned while it is copied, has a lock of its own (I7).
 */
export function orphanRecords(
  names: readonly RecordName[],
  { snapshots, damaged, vanished }: LoadedSnapshots,
): readonly RecordName[] {
  if (damaged.length + vanished.length > 0) return [];
  // Also by what a snapshot is called itself: it is known by that again when one it shares an id with goes.
  const known = new Set([...backupIds(snapshots).values(), ...snapshots.map(({ id }) => id)]);
  return names.filter(({ backupId }) => backupId !== undefined && !known.has(backupId));
}
