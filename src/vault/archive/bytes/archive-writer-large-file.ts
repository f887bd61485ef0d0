/**
 * Stores one large file as a run of its own: members of 1 MiB that are compressed
 * side by side while the next ones are read.
 *
 * @module
 */

import type { Hash } from "node:crypto";
import { createHash } from "node:crypto";
import type { Entry, EntryContent } from "../../../domain/entry.ts";
import { memberRawBytesMax } from "../../../encode/gzip-member.ts";
import type { EntryFacts } from "../../../format/archive/contents-line.ts";
import type { TarMember } from "../../../format/archive/tar-header.ts";
import { encodeTarHeader, tarPaddingBytes } from "../../../format/archive/tar-header.ts";
import type { Run, RunSink } from "./archive-writer-runs.ts";
import type { MemberFactory } from "./member-factory.ts";
import { type LargeSource, openLargeSource } from "./large-source.ts";
import { SourceFileError } from "../../source-file.ts";

export interface LargeFileParts {
  readonly sink: RunSink;
  readonly factory: MemberFactory;
  /** The header for these facts. */
  readonly header: (facts: EntryFacts) => TarMember;
  /** The line for these facts; `at` is where the data starts in the run. */
  readonly line: (facts: EntryFacts, content: { sha256: string; at: number; changed: boolean }) => string;
  readonly progress: (bytes: number) => void;
}

/** A file of which a header promised so many bytes, being written. */
interface Writing {
  readonly parts: LargeFileParts;
  readonly source: LargeSource;
  readonly run: Run;
  readonly hash: Hash;
  raw: Buffer;
  used: number;
  /** Where data starts in `raw`: a header compresses and would speak for data that does not. */
  dataAt: number;
}

/**
 * Stores the file; tells whether it changed while it was read, both times. After a first
 * change it is written again: in a tar the later copy of a name counts, and the contents file names only that.
 *
 * @throws {SourceFileError} where it vanished or cannot be read; what was written of it belongs to no entry
 */
export async function storeLargeFile(
  entry: Entry,
  content: EntryContent,
  parts: LargeFileParts,
  signal: AbortSignal,
): Promise<{ readonly changed: boolean; readonly sizeBytes: number }> {
  for (const last of [false, true]) {
    await using source = await openLargeSource(entry, content, signal);
    const stored = await storeOnce(source, { parts, last }, signal);
    if (!stored.changed || last) return { changed: stored.changed, sizeBytes: source.sizeBytes };
  }
  throw new TypeError("The second attempt always returns");
}

async function storeOnce(
  source: LargeSource,
  attempt: { readonly parts: LargeFileParts; readonly last: boolean },
  signal: AbortSignal,
): Promise<{ readonly changed: boolean }> {
  const { parts, last } = attempt;
  const { facts } = source;
  const raw = parts.factory.takeRaw();
  const at = encodeTarHeader(parts.header(facts), raw, 0);
  const writing: Writing = {
    parts,
    source,
    run: parts.sink.open(),
    hash: createHash("sha256"),
    raw,
    used: at,
    dataAt: at,
  };
  const failure = await copyContent(writing, signal);
  const changed = failure === "changed" || (failure === undefined && (await source.hasChanged()));
  await pushRest(writing);
  const keep = typeof failure !== "object" && (!changed || last);
  const sha256 = writing.hash.digest("hex");
  await parts.sink.close(writing.run, keep ? [parts.line(facts, { sha256, at, changed })] : []);
  if (typeof failure === "object") throw failure;
  return { changed };
}

/**
 * Copies exactly as many bytes as the header promised. A file that ends early is
 * filled up with zeros, because a tar with a short entry cannot be read beyond it.
 */
async function copyContent(
  writing: Writing,
  signal: AbortSignal,
): Promise<SourceFileError | "changed" | undefined> {
  const { source, parts } = writing;
  let failure: SourceFileError | "changed" | undefined;
  for (let position = 0; position < source.sizeBytes; ) {
    signal.throwIfAborted();
    if (writing.used === memberRawBytesMax) await pushMember(writing);
    const length = Math.min(memberRawBytesMax - writing.used, source.sizeBytes - position);
    const count = failure === undefined ? await readPiece(writing, length, position) : 0;
    if (typeof count === "object") failure = count;
    else if (count < length) failure ??= "changed";
    const end = writing.used + length;
    writing.raw.fill(0, writing.used + (typeof count === "number" ? count : 0), end);
    writing.hash.update(writing.raw.subarray(writing.used, end));
    writing.used = end;
    position += length;
    parts.progress(length);
  }
  return failure;
}

async function readPiece(
  writing: Writing,
  length: number,
  position: number,
): Promise<number | SourceFileError> {
  try {
    return await writing.source.read(writing.raw, { at: writing.used, length, position });
  } catch (error) {
    if (error instanceof SourceFileError) return error;
    throw error;
  }
}

async function pushRest(writing: Writing): Promise<void> {
  const padding = tarPaddingBytes(writing.source.sizeBytes);
  if (writing.used + padding > memberRawBytesMax) await pushMember(writing);
  writing.raw.fill(0, writing.used, writing.used + padding);
  writing.used += padding;
  const { sink, factory } = writing.parts;
  await sink.push(writing.run, factory.make(writing.raw, writing.used, "auto", writing.dataAt));
}

async function pushMember(writing: Writing): Promise<void> {
  const { sink, factory } = writing.parts;
  const made = factory.make(writing.raw, writing.used, "auto", writing.dataAt);
  writing.raw = factory.takeRaw();
  writing.used = 0;
  writing.dataAt = 0;
  await sink.push(writing.run, made);
}
