/**
 * The two bytes of a database image that say whether it is in WAL mode: set to
 * rollback in every image, and back to what they were before a restored image
 * takes its place.
 *
 * @module
 */

import { type FileHandle, open } from "node:fs/promises";
import { headerBytes, isSqliteHeader, versionBytes, versionOffset } from "../../format/sqlite/header.ts";

/**
 * Puts the journal mode a database had back into a restored file, before the
 * file takes its place: an app that relies on WAL finds it on. Modes other than
 * `wal` belong to connections and need nothing. Durable on return.
 *
 * Only for files nobody has open as a database. Files that are no SQLite database are left alone.
 */
export async function setImageJournalMode(path: string, journalMode: string): Promise<void> {
  // A raw copy is restored as it was found.
  if (journalMode === "unknown") return;
  await using file = await open(path, "r+");
  await writeJournalMode(file, journalMode);
  await file.sync();
}

/** Writes the bytes; the caller makes them durable. */
export async function writeJournalMode(file: FileHandle, journalMode: string): Promise<void> {
  if (!isSqliteHeader(await readHeader(file))) return;
  await file.write(versionBytes(journalMode), 0, 2, versionOffset);
}

/** The first bytes of an open file, fewer where it is shorter than a database header. */
export async function readHeader(file: FileHandle): Promise<Uint8Array> {
  const { buffer, bytesRead } = await file.read(new Uint8Array(headerBytes), 0, headerBytes, 0);
  return buffer.subarray(0, bytesRead);
}
