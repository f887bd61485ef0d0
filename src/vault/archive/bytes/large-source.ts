/**
 * Where the bytes of a large file come from: a file of the source, or a stream of
 * another backup. Read once, from front to back.
 *
 * @module
 */

import type { Entry, EntryContent } from "../../../domain/entry.ts";
import type { EntryFacts } from "../../../format/archive/contents-line.ts";
import { ByteFeed } from "./byte-feed.ts";
import { closeSource, factsOf, hasChanged, openSource, readSource } from "../../source-file.ts";
import { displayPath, requireEnd, streamFacts } from "./stream-source.ts";

/** An open file or stream. Dispose of it. */
export interface LargeSource extends AsyncDisposable {
  readonly sizeBytes: number;
  /** What is recorded of it. */
  readonly facts: EntryFacts;
  /** Reads the next `length` bytes; fewer only where it ends. @throws {SourceFileError} */
  read(target: Buffer, place: ReadPlace): Promise<number>;
  /** Is it no longer as it was when opened? Asked when everything was read. */
  hasChanged(): Promise<boolean>;
}

interface ReadPlace {
  readonly at: number;
  readonly length: number;
  /** Offset in the file: where the last read ended. */
  readonly position: number;
}

/** @throws {SourceFileError} where a file vanished or cannot be read */
export async function openLargeSource(
  entry: Entry,
  content: EntryContent,
  signal: AbortSignal,
): Promise<LargeSource> {
  if (content.from === "stream") return streamSource(entry, content.open(signal));
  const source = await openSource(content);
  const { sizeBytes, descriptor } = source;
  return {
    sizeBytes,
    facts: factsOf(entry, source, sizeBytes),
    read: (target, place) => readSource(descriptor, target, place),
    hasChanged: async () => hasChanged(source),
    [Symbol.asyncDispose]: async () => closeSource(descriptor),
  };
}

/** One that fails, or is not as long as its entry says, fails the backup: nothing of a copy may be missing (I6). */
function streamSource(entry: Entry, stream: AsyncIterable<Uint8Array>): LargeSource {
  const feed = new ByteFeed(stream, displayPath(entry));
  return {
    sizeBytes: entry.sizeBytes,
    facts: streamFacts(entry),
    read: async (target, { at, length }) =>
      (await feed.take(length, target.subarray(at, at + length))).length,
    hasChanged: async () => {
      await requireEnd(feed, entry);
      return false;
    },
    [Symbol.asyncDispose]: () => feed[Symbol.asyncDispose](),
  };
}
