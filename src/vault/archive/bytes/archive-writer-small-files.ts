/**
 * Reads many small files at once into one buffer, each twice where it changes meanwhile.
 *
 * @module
 */

import type { Entry, EntryContent } from "../../../domain/entry.ts";
import { memberRawBytesMax } from "../../../encode/gzip-member.ts";
import type { EntryFacts } from "../../../format/archive/contents-line.ts";
import { ByteFeed } from "./byte-feed.ts";
import type { OpenSource } from "../../source-file.ts";
import { displayPath, requireEnd, streamFacts } from "./stream-source.ts";
import {
  closeSource,
  factsOf,
  hasChanged,
  openSource,
  readSource,
  SourceFileError,
} from "../../source-file.ts";

/** Reads at the same time in one batch: hides a disk's latency, and leaves libuv's queue short for the host's own work. */
const readsAtOnceMax = 8;

/** What came of reading one small file. `too-large`: it has grown, and is to be read as a large one. */
export type SmallFile =
  | {
      readonly outcome: "read";
      readonly data: Uint8Array;
      readonly facts: EntryFacts;
      readonly changed: boolean;
    }
  | { readonly outcome: "failed"; readonly problem: "vanished" | "unreadable"; readonly message: string }
  | { readonly outcome: "too-large" };

/** A file to read into its place of the shared buffer. */
export interface SmallFileRequest {
  readonly entry: Entry;
  readonly content: EntryContent;
  readonly at: number;
}

/** Largest file that is read as a small one: it shares a member with its header and padding. */
export const smallFileBytesMax: number = memberRawBytesMax - 32 * 1024;

/** Reads all of `requests`, whose places in `buffer` are as long as their entries say; answers in the same order. */
export async function readSmallFiles(
  requests: readonly SmallFileRequest[],
  buffer: Buffer,
  signal: AbortSignal,
): Promise<readonly SmallFile[]> {
  const results = new Array<SmallFile>(requests.length);
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < requests.length) {
      signal.throwIfAborted();
      const index = next++;
      const request = requests[index]!;
      results[index] =
        request.content.from === "stream"
          ? await readSmallStream(request, request.content, buffer, signal)
          : await readSmallFile(request, buffer);
    }
  };
  // All must have ended before the buffer is used for anything else, also when one fails.
  const ended = await Promise.allSettled(Array.from({ length: readsAtOnceMax }, work));
  for (const result of ended) if (result.status === "rejected") throw result.reason;
  return results;
}

async function readSmallFile(request: SmallFileRequest, buffer: Buffer): Promise<SmallFile> {
  try {
    const first = await readAttempt(request, buffer);
    return first.outcome === "read" && first.changed ? await readAttempt(request, buffer) : first;
  } catch (error) {
    if (!(error instanceof SourceFileError)) throw error;
    return { outcome: "failed", problem: error.problem, message: error.message };
  }
}

/** A stream that fails, or is not as long as its entry says, fails the backup: nothing of a copy may be missing (I6). */
async function readSmallStream(
  { entry, at }: SmallFileRequest,
  { open }: Extract<EntryContent, { readonly from: "stream" }>,
  buffer: Buffer,
  signal: AbortSignal,
): Promise<SmallFile> {
  const { sizeBytes } = entry;
  await using feed = new ByteFeed(open(signal), displayPath(entry));
  const data = await feed.take(sizeBytes, buffer.subarray(at, at + sizeBytes));
  await requireEnd(feed, entry);
  return { outcome: "read", data, facts: streamFacts(entry), changed: false };
}

async function readAttempt(request: SmallFileRequest, buffer: Buffer): Promise<SmallFile> {
  const source = await openSource(request.content);
  try {
    if (source.sizeBytes > smallFileBytesMax) return { outcome: "too-large" };
    const place = placeFor(request, source, buffer);
    const count = await readSource(source.descriptor, place, {
      at: 0,
      length: source.sizeBytes,
      position: 0,
    });
    const changed = count < source.sizeBytes || hasChanged(source);
    return {
      outcome: "read",
      data: place.subarray(0, count),
      facts: factsOf(request.entry, source, count),
      changed,
    };
  } finally {
    closeSource(source.descriptor);
  }
}

function placeFor(request: SmallFileRequest, source: OpenSource, buffer: Buffer): Buffer {
  const { at, entry } = request;
  if (source.sizeBytes <= entry.sizeBytes) return buffer.subarray(at, at + entry.sizeBytes);
  // It has grown since the walk, which is rare: memory of its own.
  return Buffer.allocUnsafe(source.sizeBytes);
}
