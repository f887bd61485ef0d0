/**
 * What a caller asks when it looks into backups, and what it gets back: the
 * counterpart of `requests.ts` for single files.
 *
 * @module
 */

import type { Backup, BackupType } from "../../domain/backup.ts";
import type { PackFormat } from "../../domain/packed-item.ts";
import type { ReferenceOptions, RunOptions } from "../requests.ts";

/** One thing in a backup. */
export interface BackupEntry {
  readonly kind: BackupEntryKind;
  /**
   * `<folder name>/<path inside it>`, or the name of a database. For display: bytes that are not UTF-8
   * and control characters stand as `\xNN`. Every request takes it back as a path.
   */
  readonly path: string;
  /** The bytes of `path` in base64, where it does not show them as they are. */
  readonly pathBase64?: string;
  /** Permission bits. */
  readonly mode: number;
  /** Owner; -1 where it is not known. */
  readonly uid: number;
  readonly gid: number;
  /** 0 for folders, links and further names of a file. */
  readonly sizeBytes: number;
  /** ISO 8601 with offset; of a database the instant of its backup. */
  readonly modifiedAt: string;
  readonly modifiedAtMs: number;
  /** For display. */
  readonly linkTarget?: string;
  /** Present on a further name of a file: the `path` of the first. */
  readonly hardLinkTo?: string;
  /** Lower-case hex, where the vault knows it without reading. */
  readonly sha256?: string;
}

export type BackupEntryKind = "file" | "directory" | "symlink" | "database";

export interface ListEntriesRequest extends ReferenceOptions {
  /** An id, `latest`, or the path of a backup file. */
  readonly backup: string;
  /** As in {@link BackupEntry.path}, or the absolute path where it was; everything at the top when left out. */
  readonly path?: string;
  /** Also what is in the folders. */
  readonly recursive?: boolean;
}

export interface FindEntriesRequest extends RunOptions {
  /**
   * A glob. Without a "/" it is held against names at any depth, with one against whole paths
   * as in {@link BackupEntry.path}, and if it begins with one also against absolute paths. A trailing "/" finds folders only.
   */
  readonly pattern: string;
  readonly ignoreCase?: boolean;
  /** Only in these backups; in all of the vault when left out. */
  readonly backups?: readonly string[];
  readonly source?: string;
  readonly type?: BackupType;
  /** Backups since then, milliseconds since 1970, inclusive. */
  readonly sinceMs?: number;
  readonly untilMs?: number;
  /** Only these kinds. */
  readonly kinds?: readonly BackupEntryKind[];
  /** Of each path only what the newest backup has that has it. */
  readonly newest?: boolean;
  /** Hears of each backup that is there and could not be searched, besides the warning. */
  readonly onUnsearched?: (backup: Backup) => void;
}

export interface FoundEntry {
  readonly backup: Backup;
  readonly entry: BackupEntry;
}

export interface CompareRequest extends RunOptions {
  /** The earlier one: an id, `latest`, or the path of a backup file. */
  readonly before: string;
  readonly after: string;
  readonly source?: string;
}

/**
 * What differs between two backups at one path.
 * - `added`, `removed`: only one of them has it
 * - `changed`: other bytes, another target of a link, or another kind of thing
 * - `attributes`: the same bytes with another mode, owner or time
 */
export interface EntryDifference {
  readonly difference: "added" | "removed" | "changed" | "attributes";
  readonly path: string;
  readonly before?: BackupEntry;
  readonly after?: BackupEntry;
  /** What differs, of things both have. */
  readonly differs: readonly DifferingField[];
}

export type DifferingField = "kind" | "content" | "target" | "hard-link" | "mode" | "owner" | "time";

export interface DumpRequest extends ReferenceOptions {
  /** An id, `latest`, or the path of a backup file. */
  readonly backup: string;
  /** A file, a database or a folder, as for {@link ListEntriesRequest.path}; the whole backup when left out. */
  readonly path?: string;
  /** Folders are packed as tar unless told otherwise; with a format files are packed too. */
  readonly format?: PackFormat;
}

/** What was asked for, on its way. Dispose of it when it is not read to its end. */
export interface Dump extends AsyncDisposable {
  readonly backup: Backup;
  /** Absent for the whole backup. */
  readonly entry?: BackupEntry;
  /** `raw`: the bytes of one file or database. */
  readonly format: "raw" | PackFormat;
  /** The last component of its name, with a suffix where it is packed; for display and as a file name. */
  readonly suggestedName: string;
  /**
   * To be read once. Verified as it comes: `damaged` at the end of what is not as it was stored.
   * Chunks are valid until the next one is asked for.
   */
  readonly bytes: AsyncIterable<Uint8Array>;
}
