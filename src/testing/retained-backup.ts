/**
 * Backups as retention sees them, for tests.
 *
 * @module
 */

import type { RetainedBackup } from "../domain/retention.ts";

let serial = 0;

/** A good database backup of one source, with an id of its own; `changes` replace fields. */
export function retainedBackup(startedAtMs: number, changes: Partial<RetainedBackup> = {}): RetainedBackup {
  return {
    id: `b${String(++serial).padStart(6, "0")}`,
    source: "shop",
    type: "database",
    startedAtMs,
    state: "good",
    stateReason: "",
    safety: false,
    pinned: false,
    tags: [],
    ...changes,
  };
}
