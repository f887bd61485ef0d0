/**
 * The bytes of entries, cut out of decoded members and checked against their SHA-256 (I6).
 *
 * @module
 */

import { createHash, hash } from "node:crypto";
import { byteStringToDisplay } from "../../../domain/byte-string.ts";
import type { StoredEntry } from "../../../domain/entry.ts";
import { BackupError } from "../../../domain/error.ts";
import type { EntryLine } from "../../../format/archive/contents-parse.ts";
import { parseEntryLine } from "../../../format/archive/contents-parse.ts";
import type { ByteRange } from "../../../storage/storage.ts";
import type { EntryWithContent } from "../../vault.ts";
import type { ContentsRun, ContentsRuns } from "./archive-reader-contents.ts";
import type { RunReading, SelectedRun } from "./archive-reader-runs.ts";
import type { DecodedMember } from "./member-stream.ts";
import { MemberStream } from "./member-stream.ts";

/** An entry and the run it lies in. */
export interface LocatedEntry extends EntryLine {
  readonly run: ContentsRun;
}

/** Finds an entry by root and path. Only lines that hold the path as it would be written are parsed. */
export async function locateEntry(
  contents: ContentsRuns,
  wanted: Pick<StoredEntry, "root" | "path">,
  signal: AbortSignal,
): Promise<LocatedEntry | undefined> {
  const needle = JSON.stringify(wanted.path);
  for (let run = await contents.next(); run !== undefined; run = await contents.next()) {
    signal.throwIfAborted();
    for (const line of run.lines.all()) {
      if (!line.includes(needle) && !line.includes('{"base64"')) continue;
      const parsed = parseEntryLine(line);
      if (parsed.entry.path === wanted.path && parsed.entry.root === wanted.root) return { ...parsed, run };
    }
  }
  return undefined;
}

/** The selected entries of a run, each with its verified bytes. */
export async function* entriesOf(
  selected: SelectedRun,
  signal: AbortSignal,
): AsyncGenerator<EntryWithContent> {
  const { run, entries } = selected;
  let member: DecodedMember | undefined;
  try {
    for (const line of entries) {
      const { entry } = line;
      if (entry.sha256 === undefined) yield { entry };
      else {
        if (run.members.length > 1) yield { entry, content: largeContent(line, selected, signal) };
        else {
          member ??= await selected.next();
          yield { entry, content: smallContent(line, member.raw) };
        }
      }
    }
  } finally {
    member?.release();
  }
}

/** Reads one entry, or a range of it, fetching only the members it lies in. A whole read is verified. */
export async function* readLocated(
  located: LocatedEntry,
  range: ByteRange | undefined,
  { storage, archiveName, decoder }: RunReading,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const { entry, at, run } = located;
  const place = range ?? { offset: 0, length: entry.sizeBytes };
  if (entry.sha256 === undefined || place.offset + place.length > entry.sizeBytes) {
    const name = byteStringToDisplay(entry.path);
    throw new BackupError("invalid-input", `Cannot read ${name}: it has no such bytes`);
  }
  // A contents file that lies about the place would have us read what is not there.
  if (at + entry.sizeBytes > run.rawBytes) throw badPlace(archiveName);
  const digest = createHash("sha256");
  const cut = planCut(run, at + place.offset, place.length);
  await using stream = new MemberStream({ storage, name: archiveName, decoder, ...cut }, signal);
  let skip = cut.skip;
  let left = place.length;
  for (const _ of cut.members) {
    const member = await stream.next();
    try {
      const bytes = member.raw.subarray(skip, skip + left);
      skip = 0;
      left -= bytes.length;
      if (range === undefined) digest.update(bytes);
      if (bytes.length > 0) yield bytes;
    } finally {
      member.release();
    }
  }
  if (range === undefined) checkDigest(entry, digest.digest("hex"));
}

function badPlace(archiveName: string): BackupError {
  return new BackupError("damaged", `Cannot read ${archiveName}: an entry lies outside of its run`);
}

/** The members that hold `length` raw bytes from `from` on, and how much of the first to pass over. */
function planCut(
  run: ContentsRun,
  from: number,
  length: number,
): { readonly offset: number; readonly members: ContentsRun["members"]; readonly skip: number } {
  let offset = run.offset;
  let raw = 0;
  let first = 0;
  for (; first < run.members.length; first++) {
    const member = run.members[first]!;
    if (raw + member.rawBytes > from) break;
    raw += member.rawBytes;
    offset += member.storedBytes;
  }
  const skip = from - raw;
  let last = first;
  for (; last < run.members.length && raw < from + length; last++) raw += run.members[last]!.rawBytes;
  return { offset, members: length === 0 ? [] : run.members.slice(first, last), skip };
}

async function* smallContent({ entry, at }: EntryLine, raw: Uint8Array): AsyncGenerator<Uint8Array> {
  const bytes = raw.subarray(at, at + entry.sizeBytes);
  checkDigest(entry, hash("sha256", bytes, "hex"));
  if (bytes.length > 0) yield bytes;
}

async function* largeContent(
  { entry, at }: EntryLine,
  selected: SelectedRun,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const digest = createHash("sha256");
  let skip = at;
  let left = entry.sizeBytes;
  for (let i = 0; i < selected.run.members.length && left > 0; i++) {
    signal.throwIfAborted();
    const member = await selected.next();
    try {
      const bytes = member.raw.subarray(skip, skip + left);
      skip = Math.max(0, skip - member.raw.length);
      left -= bytes.length;
      digest.update(bytes);
      if (bytes.length > 0) yield bytes;
    } finally {
      member.release();
    }
  }
  checkDigest(entry, digest.digest("hex"));
}

function checkDigest(entry: StoredEntry, sha256: string): void {
  if (sha256 === entry.sha256) return;
  const name = `${entry.root}/${byteStringToDisplay(entry.path)}`;
  throw new BackupError("damaged", `Cannot read ${name}: its bytes are not what was stored`);
}
