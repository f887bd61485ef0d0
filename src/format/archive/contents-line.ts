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
 * Tells whether the bytes `from` up to `to` are a line of exactly these facts, as
 * {@link encodeEntryFacts} writes them, and its content can be taken over without being read.
 *
 * Looks at one part after the other, and at numbers digit by digit: making the text of every
 * entry of a large folder costs twice as much as all the rest of comparing it.
 */
export function isUnchangedLine(
  text: Uint8Array,
  entry: EntryFacts,
  from: number = 0,
  to: number = text.length,
): boolean {
  let at = endOfLabel(text, from, encodePlace(entry));
  at = endOfLabel(text, at, encodeName(entry.path));
  at = endOfLabel(text, at, encodeOwner(entry));
  at = endOfLooks(text, at, entry);
  at = endOfLabel(text, at, encodeEnd(entry));
  if (at < 0) return false;
  // After equal facts only a reason to read again can end a longer line with a quote.
  return to === at || endOfLabel(text, to - 2, '"}') < 0;
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

const mtimeLabel = ',"mtime_ns":"';
const ctimeLabel = '","ctime_ns":"';
const inodeLabel = '","inode":"';

/** What tells a changed file from an unchanged one. */
function encodeLooks({ sizeBytes, mtimeNs, ctimeNs, inode }: EntryFacts): string {
  return `${sizeBytes}${mtimeLabel}${mtimeNs}${ctimeLabel}${ctimeNs}${inodeLabel}${inode}"`;
}

/** Where the text that {@link encodeLooks} makes of these facts ends, if it stands at `at`; else below 0. */
function endOfLooks(
  text: Uint8Array,
  at: number,
  { sizeBytes, mtimeNs, ctimeNs, inode }: EntryFacts,
): number {
  let end = endOfNumber(text, at, sizeBytes);
  end = endOfTime(text, endOfLabel(text, end, mtimeLabel), mtimeNs);
  end = endOfTime(text, endOfLabel(text, end, ctimeLabel), ctimeNs);
  end = endOfLabel(text, end, inodeLabel);
  const number = Number(inode);
  end = Number.isSafeInteger(number) ? endOfNumber(text, end, number) : endOfLabel(text, end, String(inode));
  return endOfLabel(text, end, '"');
}

/** Where `label` ends, if it stands at `at`; else below 0, also where `at` is. */
function endOfLabel(text: Uint8Array, at: number, label: string): number {
  if (at < 0) return -1;
  for (let i = 0; i < label.length; i++) if (text[at + i] !== label.charCodeAt(i)) return -1;
  return at + label.length;
}

const digitZero = 48;
const nanosecondsPerSecond = 1_000_000_000;
/** Digits of a time from 2001 to 2286. */
const timeDigits = 19;

/** Where the decimal digits of a whole number end that stand at `at`; -1 where it is another one. */
function endOfNumber(text: Uint8Array, at: number, value: number): number {
  if (at < 0) return -1;
  let found = 0;
  let end = at;
  for (;;) {
    const digit = (text[end] ?? 0) - digitZero;
    if (digit < 0 || digit > 9) break;
    found = found * 10 + digit;
    end++;
  }
  const isWritten = end === at + 1 || (end > at && text[at] !== digitZero);
  return isWritten && found === value ? end : -1;
}

/**
 * The same of a time. Its seconds and nanoseconds are exact as numbers; together they are right to
 * the last bit where the low 32 bits are right and the rest is about right.
 */
function endOfTime(text: Uint8Array, at: number, time: bigint): number {
  if (at < 0) return -1;
  const about = Number(time);
  // Years before 2005, with room for what rounding makes of 2001, and, since 64 bits hold no more, after 2261.
  if (!(about > 1.1e18 && about < 9.2e18)) return endOfLabel(text, at, String(time));
  const end = at + timeDigits;
  const nanosecondsAt = end - 9;
  let seconds = 0;
  let nanoseconds = 0;
  for (let i = at; i < end; i++) {
    const digit = (text[i] ?? 0) - digitZero;
    if (digit < 0 || digit > 9) return -1;
    if (i < nanosecondsAt) seconds = seconds * 10 + digit;
    else nanoseconds = nanoseconds * 10 + digit;
  }
  const low = (Math.imul(seconds, nanosecondsPerSecond) + nanoseconds) | 0;
  const distance = Math.abs(seconds * nanosecondsPerSecond + nanoseconds - about);
  return low === Number(BigInt.asIntN(32, time)) && distance < nanosecondsPerSecond ? end : -1;
}

function encodeEnd({ kind, linkTarget, hardLinkTo }: EntryFacts): string {
  if (linkTarget !== undefined) return `,"link":${encodeName(linkTarget)}}`;
  if (hardLinkTo !== undefined) return `,"hardlink":${encodeName(hardLinkTo)}}`;
  return kind === "file" ? ',"sha256":"' : "}";
}
