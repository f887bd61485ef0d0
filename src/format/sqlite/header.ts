/**
 * The 100-byte header of a SQLite database file: section 1.3 of
 * https://www.sqlite.org/fileformat2.html. Pure: bytes in, facts out.
 *
 * @module
 */

/** Enough for {@link isSqliteHeader}. */
export const magicBytes: number = 16;
/** Enough for {@link parseDatabaseHeader}. */
export const headerBytes: number = 100;
/** Where the two version bytes lie that tell a WAL database from one with a rollback journal. */
export const versionOffset: number = 18;

const magic = "SQLite format 3\0";

export interface DatabaseHeader {
  readonly pageSizeBytes: number;
  /** True where both version bytes say 2: the database is in WAL mode. */
  readonly isWal: boolean;
  /** Goes up with every commit in rollback modes; stands still in WAL mode. */
  readonly changeCounter: number;
  /** Pages the database says it has; 0 where a very old SQLite wrote it last and the file's size counts instead. */
  readonly pageCount: number;
}

/** Tells whether a file starts like a SQLite database. 16 bytes are enough; encrypted ones do not. */
export function isSqliteHeader(bytes: Uint8Array): boolean {
  if (bytes.length < magicBytes) return false;
  for (let i = 0; i < magicBytes; i++) if (bytes[i] !== magic.charCodeAt(i)) return false;
  return true;
}

/** Reads the header, or answers undefined where these bytes cannot be one. */
export function parseDatabaseHeader(bytes: Uint8Array): DatabaseHeader | undefined {
  if (bytes.length < headerBytes || !isSqliteHeader(bytes)) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, headerBytes);
  const pageSizeBytes = decodePageSize(view.getUint16(16));
  if (pageSizeBytes === undefined) return undefined;
  const changeCounter = view.getUint32(24);
  // Section 1.3.7: the size in the header counts only if the last writer knew of it.
  const sizeIsValid = view.getUint32(92) === changeCounter;
  return {
    pageSizeBytes,
    isWal: view.getUint8(versionOffset) === 2 && view.getUint8(versionOffset + 1) === 2,
    changeCounter,
    pageCount: sizeIsValid ? view.getUint32(28) : 0,
  };
}

/** The two bytes to put at {@link versionOffset} for this journal mode (section 1.3.3). */
export function versionBytes(journalMode: string): Uint8Array {
  const version = journalMode === "wal" ? 2 : 1;
  return Uint8Array.of(version, version);
}

/** Section 1.3.2: a power of two from 512 to 32768, or 1 for 65536, which does not fit. */
function decodePageSize(stored: number): number | undefined {
  if (stored === 1) return 65_536;
  return stored >= 512 && (stored & (stored - 1)) === 0 ? stored : undefined;
}
