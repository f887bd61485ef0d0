/**
 * Lines of a contents file, written. `docs/archive-format.md` describes them;
 * `contents-parse.ts` reads them. A line is a byte string: its characters are
 * bytes, so names that are UTF-8 pass through as they are.
 *
 * @module
 */

import type { ByteString } from "../../domain/byte-string.ts";
import { byteStringFromText, byteStringToBytes, byteStringToUtf8 } from "../../domain/byte-string.ts";
import type { EntryAttributes, EntryRoot } from "../../domain/entry.ts";

export const contentsFormatVersion = 1;

/** One gzip member of a run. */
export interface RunMember {
  /** Bytes in the archive. */
  readonly storedBytes: number;
  readonly rawBytes: number;
  /** CRC-32 of the stored bytes. */
  readonly crc32: number;
}

/** A stretch of members that begins and ends between entries. */
export interface RunFacts {
  /** Where its first member starts in the archive. */
  readonly offset: number;
  /** How many entry lines follow. 0 for bytes that belong to no entry: the end of the tar, or a copy that was given up. */
  readonly entryCount: number;
  readonly members: readonly RunMember[];
}

/** What an entry's line says that is known before its content is read. */
export interface EntryFacts extends EntryAttributes {
  readonly root: string;
  readonly path: ByteString;
  readonly linkTarget?: ByteString;
  readonly hardLinkTo?: ByteString;
}

/** What is known once its content was stored. */
export interface StoredContentFacts {
  readonly sha256: string;
  /** Where the content starts in the raw bytes of its run. */
  readonly at: number;
  /** Why the next backup must read it again although nothing seems to have changed. */
  readonly reread?: RereadReason;
}

/**
 * - `image`: the content is a captured database, not the file's bytes
 * - `inconsistent`: it changed while it was read
 * - `recent`: it had changed so shortly before that one more change could carry the same times
 * - `copied`: it came from another backup, and of which of these kinds it was there is not known
 */
export type RereadReason = "image" | "inconsistent" | "recent" | "copied";

/** Members in one line at most: a run line stays under 40 KB however large its file is. */
const membersPerLine = 1000;

/** The first line, without a line end. */
export function encodeContentsHeader(archiveName: string, roots: readonly EntryRoot[]): ByteString {
  const header = {
    contents_format_version: contentsFormatVersion,
    archive: archiveName.slice(archiveName.lastIndexOf("/") + 1),
    roots: roots.map(({ name, path }) => ({ name, path })),
  };
  return byteStringFromText(JSON.stringify(header));
}

/** The line or lines of one run, without line ends. */
export function encodeRun(run: RunFacts): readonly string[] {
  const first = encodeMembers(run.members.slice(0, membersPerLine));
  const lines = [
    `{"offset":${run.offset},"entries":${run.entryCount},"member_count":${run.members.length},"members":${first}}`,
  ];
  for (let i = membersPerLine; i < run.members.length; i += membersPerLine) {
    lines.push(`{"members":${encodeMembers(run.members.slice(i, i + membersPerLine))}}`);
  }
  return lines;
}

/**
 * The part of an entry's line that is known before it is read: the whole line for
 * entries without content, else everything up to the hash. Two entries have the
 * same part exactly when the file system says the same of them.
 */
export function encodeEntryFacts(entry: EntryFacts): string {
  return `${encodePlace(entry)}${encodeName(entry.path)}${encodeOwner(entry)}${encodeLooks(entry)}${encodeEnd(entry)}`;
}

/** The rest of the line, after {@link encodeEntryFacts}, without a line end. */
export function encodeStoredContent(content: StoredContentFacts): string {
  const reread = content.reread === undefined ? "" : `,"reread":"${content.reread}"`;
  return `${content.sha256}","at":${content.at}${reread}}`;
}

/**
 * Tells whether a line stands for exactly these facts, as {@link encodeEntryFacts} writes
 * them, and its content can be taken over without being read.
 *
 * Looks at one part after the other: joining them for every entry of a large folder
 * costs three times as much as comparing them.
 */
export function isUnchangedLine(line: string, entry: EntryFacts): boolean {
  const place = encodePlace(entry);
  const name = encodeName(entry.path);
  let at = place.length;
  if (!line.startsWith(name, at) || !line.startsWith(place)) return false;
  at += name.length;
  const owner = encodeOwner(entry);
  if (!line.startsWith(owner, at)) return false;
  at += owner.length;
  const looks = encodeLooks(entry);
  if (!line.startsWith(looks, at)) return false;
  at += looks.length;
  const end = encodeEnd(entry);
  if (!line.startsWith(end, at)) return false;
  // After equal facts only a reason to read again can end a longer line with a quote.
  return line.length === at + end.length || !line.endsWith('"}');
}

function encodeMembers(members: readonly RunMember[]): string {
  return `[${members.map((member) => `[${member.storedBytes},${member.rawBytes},${member.crc32}]`).join(",")}]`;
}

const plainName = /^[ !#-[\]-~]*$/;

/** JSON text of a name; a name that is not UTF-8 becomes an object with its bytes in base64. */
function encodeName(name: ByteString): string {
  if (plainName.test(name)) return `"${name}"`;
  if (byteStringToUtf8(name) === undefined) {
    return `{"base64":"${byteStringToBytes(name).toString("base64")}"}`;
  }
  return JSON.stringify(name);
}

let lastPlace = { kind: "", root: "", text: "" };

/** Kind and root stay the same for thousands of lines, which is worth remembering. */
function encodePlace({ kind, root }: EntryFacts): string {
  if (lastPlace.kind !== kind || lastPlace.root !== root) {
    const text = `{"kind":"${kind}","root":${byteStringFromText(JSON.stringify(root))},"path":`;
    lastPlace = { kind, root, text };
  }
  return lastPlace.text;
}

let lastOwner = { mode: -1, uid: -1, gid: -1, text: "" };

/** So do mode and owner. */
function encodeOwner({ mode, uid, gid }: EntryFacts): string {
  if (lastOwner.mode !== mode || lastOwner.uid !== uid || lastOwner.gid !== gid) {
    const text = `,"mode":"${mode.toString(8)}","uid":${uid},"gid":${gid},"size":`;
    lastOwner = { mode, uid, gid, text };
  }
  return lastOwner.text;
}

/** What tells a changed file from an unchanged one. */
function encodeLooks({ sizeBytes, mtimeNs, ctimeNs, inode }: EntryFacts): string {
  const mtime = String(mtimeNs);
  const ctime = ctimeNs === mtimeNs ? mtime : String(ctimeNs);
  return `${sizeBytes},"mtime_ns":"${mtime}","ctime_ns":"${ctime}","inode":"${inode}"`;
}

function encodeEnd({ kind, linkTarget, hardLinkTo }: EntryFacts): string {
  if (linkTarget !== undefined) return `,"link":${encodeName(linkTarget)}}`;
  if (hardLinkTo !== undefined) return `,"hardlink":${encodeName(hardLinkTo)}}`;
  return kind === "file" ? ',"sha256":"' : "}";
}
