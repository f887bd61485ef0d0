/**
 * An entry: one file, directory or link of a protected folder, described so
 * that a vault's workers can read it themselves. Plain data, no methods, so it
 * can cross a thread.
 *
 * @module
 */

import type { ByteString } from "./byte-string.ts";

export type EntryKind = "file" | "directory" | "symlink";

/** One of the folders a backup protects. Entries name it by `name`. */
export interface EntryRoot {
  /** Unique within the backup; the first path component inside an archive. Usually the folder's own name. */
  readonly name: string;
  /** Absolute path of the folder on the machine that was backed up. */
  readonly path: string;
}

/** What the file system says of an entry; `content` is elsewhere. */
export interface EntryAttributes {
  readonly kind: EntryKind;
  /** Permission bits only, 0 to 0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Nanoseconds since 1970. */
  readonly mtimeNs: bigint;
  /** Nanoseconds since 1970; 0 where it means nothing, as for a captured image. */
  readonly ctimeNs: bigint;
  readonly inode: bigint;
  /** Bytes of content; 0 for directories and links. */
  readonly sizeBytes: number;
}

/**
 * Where the bytes of a file come from.
 * - `path`: read this file. It may change or vanish meanwhile; the vault reports that.
 * - `image`: a captured database in a scratch file that does not change.
 * - `stream`: bytes of another backup, exactly `sizeBytes` of them; opened at most once, and read before
 *   `BackupWriter.add` returns. One that fails, ends early or goes on fails the backup (I6).
 *   Only copies of backups are made of them. No later backup settles a file against one: it may have been a
 *   captured image.
 */
export type EntryContent =
  | { readonly from: "path"; readonly path: ByteString }
  | { readonly from: "image"; readonly path: string }
  | { readonly from: "stream"; readonly open: (signal: AbortSignal) => AsyncIterable<Uint8Array> };

/**
 * One entry on its way into a vault. Entries of a root arrive depth first, a
 * directory before what is in it, siblings in raw byte order of their names;
 * roots arrive one after the other.
 */
export interface Entry extends EntryAttributes {
  readonly root: string;
  /** Relative to the root, components joined by "/", no leading or trailing one; empty for the root itself. */
  readonly path: ByteString;
  /** Of the file system it lies on, and how many names it has there; absent where unknown. */
  readonly deviceId?: bigint;
  readonly links?: number;
  /** Present on files that have bytes to store. */
  readonly content?: EntryContent;
  /** Present on symbolic links: the bytes of the target, as they stand. */
  readonly linkTarget?: ByteString;
  /** Present on a file that is a further name of an earlier entry of the same root: that entry's path. It has no content. */
  readonly hardLinkTo?: ByteString;
}

/** One entry read back from a backup. */
export interface StoredEntry extends EntryAttributes {
  readonly root: string;
  readonly path: ByteString;
  /** Lower-case hex SHA-256 of the content; present on files that are not further names of another, in archives. */
  readonly sha256?: string;
  /** Equal only for equal bytes, within one vault; present on files that are not further names of another. */
  readonly contentId?: string;
  /** As on {@link Entry}, where the format keeps them, 0 where it is not known: in repositories. */
  readonly deviceId?: bigint;
  readonly links?: number;
  readonly linkTarget?: ByteString;
  readonly hardLinkTo?: ByteString;
}

/**
 * Compares two paths in the order entries come in: like bytes, but with "/"
 * below every other byte, so that a directory's content follows it directly.
 */
export function compareEntryPaths(a: ByteString, b: ByteString): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return x === 47 ? -1 : y === 47 ? 1 : x - y;
  }
  return a.length - b.length;
}
