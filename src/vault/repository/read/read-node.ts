/**
 * The bytes of one file, or a range of them: only the blobs they lie in are read.
 *
 * @module
 */

import { BackupError } from "../../../domain/error.ts";
import type { ObjectId, TreeNode } from "../../../format/restic/model.ts";
import type { ByteRange } from "../../../storage/storage.ts";
import { findBlob } from "./blob-fetch.ts";
import { plainLengthOf } from "./decode-blobs.ts";
import type { RepositoryReading } from "./open-snapshot.ts";
import { ReadAhead, wrongSize } from "./read-ahead.ts";

/**
 * Every blob is verified before its bytes are handed out. Chunks are valid until the next is asked for.
 *
 * @param shown The file, for messages
 * @throws {BackupError} `damaged`; `invalid-input` for a range outside the file
 */
export async function* readNode(
  reading: Pick<RepositoryReading, "fetcher" | "index">,
  node: TreeNode,
  range: ByteRange | undefined,
  shown: string,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { offset, length } = range ?? { offset: 0, length: node.sizeBytes };
  if (offset < 0 || length < 0 || offset + length > node.sizeBytes) {
    throw new BackupError("invalid-input", `Cannot read ${shown}: it has no such bytes`);
  }
  const whole = { content: node.content ?? [], skip: 0 };
  const { content, skip } = range === undefined ? whole : cut(reading, whole.content, offset, length);
  await using ahead = new ReadAhead(reading.fetcher, reading.index, one(content), signal);
  await ahead.next();
  let skipped = 0;
  let given = 0;
  for await (const chunk of ahead.content(() => shown)) {
    signal.throwIfAborted();
    const start = Math.min(chunk.length, skip - skipped);
    skipped += start;
    const part = chunk.subarray(start, Math.min(chunk.length, start + length - given));
    // A whole file ends where it ends: blobs beyond its size are damage.
    if (range === undefined && part.length < chunk.length)
      throw wrongSize(shown, given + chunk.length, length);
    given += part.length;
    if (part.length > 0) yield part;
  }
  if (given !== length) throw wrongSize(shown, given, length);
}

async function* one(
  content: readonly ObjectId[],
): AsyncGenerator<readonly [{ value: undefined; content: typeof content }]> {
  yield [{ value: undefined, content }];
}

/** The blobs that hold a range, and how much of the first comes before it. */
function cut(
  { index }: Pick<RepositoryReading, "index">,
  content: readonly ObjectId[],
  offset: number,
  length: number,
): { readonly content: readonly ObjectId[]; readonly skip: number } {
  if (length === 0) return { content: [], skip: 0 };
  let start = 0;
  let first: number | undefined;
  let skip = 0;
  for (const [i, id] of content.entries()) {
    const place = findBlob(index, id, "data");
    // Where what follows lies cannot be known: it is read as far as there, and fails there.
    if ("message" in place) return { content: content.slice(first ?? i, i + 1), skip };
    const end = start + plainLengthOf(place);
    if (first === undefined && end > offset) {
      first = i;
      skip = offset - start;
    }
    if (first !== undefined && end >= offset + length) return { content: content.slice(first, i + 1), skip };
    start = end;
  }
  return { content: first === undefined ? [] : content.slice(first), skip };
}
