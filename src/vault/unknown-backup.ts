/**
 * What is shown of a backup whose description is missing, unreadable or not ours:
 * that it is there, and that no rotation removes it (I5).
 *
 * @module
 */

import type { Backup } from "../domain/backup.ts";
import { isoWithOffset } from "../domain/clock.ts";

/** A backup of which nothing else is known. */
export function unknownBackup({
  id,
  type,
  startedAtMs,
  state,
}: Pick<Backup, "id" | "type" | "startedAtMs" | "state">): Backup {
  return {
    id,
    type,
    source: "",
    host: "",
    startedAt: isoWithOffset(startedAtMs),
    startedAtMs,
    durationMs: 0,
    state,
    stateReason: "",
    safety: false,
    pinned: false,
    neverRemoved: true,
    tags: [],
    sourceBytes: 0,
    storedBytes: 0,
    counts: { databases: 0, files: 0, directories: 0, symlinks: 0, unchangedFiles: 0 },
    databases: [],
    roots: [],
    files: [],
    problems: [],
    problemCount: 0,
    toolVersion: "",
  };
}
