/**
 * Knows the files a database at work makes and deletes beside itself from files of
 * people that have such names.
 *
 * @module
 */

import { type BigIntStats, lstatSync } from "node:fs";
import { asByteString, type ByteString, byteStringToPath } from "../../domain/byte-string.ts";
import { isSqliteHeader, magicBytes } from "../../format/sqlite/header.ts";
import { journalHeaderBytes } from "../../format/sqlite/journal.ts";
import { sidecarSuffixes } from "../../format/sqlite/sidecar.ts";
import { absolutePath } from "../tree/entry-path.ts";
import { openInodesOfThisProcess, readFileHead } from "../folder/file-head.ts";

/**
 * Tells whether a file that has just vanished was a sidecar: it was called like one, and
 * the file of the name without the suffix starts like a database. Applications in
 * rollback mode make and delete one with every commit, so this is no loss to report.
 */
export function isLiveSidecar(name: ByteString, directory: ByteString): boolean {
  const suffix = sidecarSuffixes.find((candidate) => name.endsWith(candidate));
  if (suffix === undefined) return false;
  const database = absolutePath(directory, asByteString(name.slice(0, -suffix.length)));
  const stats = fileStats(database);
  if (stats === undefined) return false;
  const head = readFileHead(database, stats.ino, Buffer.alloc(magicBytes), openInodesOfThisProcess());
  return head !== undefined && isSqliteHeader(head.bytes);
}

function fileStats(path: ByteString): BigIntStats | undefined {
  try {
    return lstatSync(byteStringToPath(path), { bigint: true, throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

/**
 * Tells whether these are the first bytes of a journal whose transaction has not been
 * synced yet: until then SQLite leaves magic and record count zero (pager.c,
 * writeJournalHdr), and only sector size and page size are there to know it by.
 * Such a journal is never played back, and is gone with the commit.
 */
export function isUnsyncedJournal(firstBytes: Buffer, pageSizeBytes: number): boolean {
  if (firstBytes.length < journalHeaderBytes) return false;
  if (!firstBytes.subarray(0, 12).every((byte) => byte === 0)) return false;
  const sectorSize = firstBytes.readUInt32BE(20);
  const isPowerOfTwo = (sectorSize & (sectorSize - 1)) === 0;
  const isSectorSize = isPowerOfTwo && sectorSize >= 32 && sectorSize <= 65_536;
  return isSectorSize && firstBytes.readUInt32BE(24) === pageSizeBytes;
}
