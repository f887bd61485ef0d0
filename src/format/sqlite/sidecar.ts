/**
 * The files SQLite keeps beside a database. They are left out of a backup only
 * when the database was captured and they are what their name says, because a
 * stranger may call any file `holiday.db-wal`.
 *
 * @module
 */

import { hasJournalMagic, isZeroedJournal } from "./journal.ts";
import { hasWalMagic } from "./wal.ts";

export type SidecarKind = "journal" | "wal" | "shm";

/** What follows the database's name in the names of its sidecars. */
export const sidecarSuffixes: readonly SidecarSuffix[] = ["-journal", "-wal", "-shm"];
export type SidecarSuffix = `-${SidecarKind}`;

/** How many first bytes {@link sidecarKind} wants; fewer are fine where the file is shorter. */
export const sidecarMagicBytes: number = 32;

const shmVersion = 3_007_000;

/**
 * What a file beside a captured database is, or undefined where only its name
 * looks like a sidecar. Empty ones count, for SQLite leaves them (truncated
 * journals and logs) and they hold nothing; so do the zeroed journals of
 * `journal_mode=PERSIST`, which turn hot again with the next transaction and
 * then must not be met by a restored database.
 */
export function sidecarKind(suffix: string, firstBytes: Uint8Array): SidecarKind | undefined {
  const empty = firstBytes.length === 0;
  if (suffix === "-journal") {
    return empty || hasJournalMagic(firstBytes) || isZeroedJournal(firstBytes) ? "journal" : undefined;
  }
  if (suffix === "-wal") return empty || hasWalMagic(firstBytes) ? "wal" : undefined;
  if (suffix === "-shm") return empty || hasShmMagic(firstBytes) ? "shm" : undefined;
  return undefined;
}

/** The WAL-index starts with its version in the machine's own byte order (walformat.html, section 2.1). */
function hasShmMagic(bytes: Uint8Array): boolean {
  if (bytes.length < 4) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, 4);
  return view.getUint32(0, true) === shmVersion || view.getUint32(0, false) === shmVersion;
}
