/**
 * Tells by reading whether files of two backups have the same bytes.
 *
 * @module
 */

import { createHash } from "node:crypto";
import type { StoredEntry } from "../../domain/entry.ts";
import type { BackupReader, EntryWithContent } from "../../vault/vault.ts";
import type { ComparedReaders } from "./compare-backups.ts";
import type { Comparison } from "./compare-entries.ts";

/** Hashes of one side that wait for the other; a side is read in pieces of so many files. */
const filesAtOnceMax = 20_000;

/**
 * Reads the files of these comparisons, by path, each backup from front to back, and says of each
 * whether its bytes are the same.
 */
export async function* sameBytes(
  { before, after }: Pick<ComparedReaders, "before" | "after">,
  root: string,
  undecided: ReadonlyMap<string, Comparison>,
  signal: AbortSignal,
): AsyncGenerator<{ readonly comparison: Comparison; readonly same: boolean }> {
  const paths = [...undecided.keys()];
  for (let at = 0; at < paths.length; at += filesAtOnceMax) {
    const part = new Set<string>(paths.slice(at, at + filesAtOnceMax));
    const [left, right] = await Promise.all([
      hashesOf(before, root, part, signal),
      hashesOf(after, root, part, signal),
    ]);
    for (const path of part) {
      const comparison = undecided.get(path);
      if (comparison !== undefined) yield { comparison, same: left.get(path) === right.get(path) };
    }
  }
}

async function hashesOf(
  reader: BackupReader,
  root: string,
  paths: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  const hashes = new Map<string, string>();
  const isWanted = (entry: StoredEntry): boolean => entry.root === root && paths.has(entry.path);
  for await (const item of reader.contents(isWanted, signal)) hashes.set(item.entry.path, await hashOf(item));
  return hashes;
}

async function hashOf({ content }: EntryWithContent): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of content ?? []) hash.update(chunk);
  return hash.digest("hex");
}

/** Do two streams give the same bytes? The rest is not read once they differ. */
export async function sameStreams(
  before: AsyncIterable<Uint8Array>,
  after: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<boolean> {
  const [left, right] = [new Pieces(before), new Pieces(after)];
  try {
    for (;;) {
      signal.throwIfAborted();
      const [a, b] = await Promise.all([left.rest(), right.rest()]);
      const length = Math.min(a.length, b.length);
      if (length === 0) return a.length === b.length;
      if (Buffer.compare(a.subarray(0, length), b.subarray(0, length)) !== 0) return false;
      left.take(length);
      right.take(length);
    }
  } finally {
    await left.close();
    await right.close();
  }
}

/** A stream of which any number of bytes is taken at a time. */
class Pieces {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #chunk: Uint8Array = new Uint8Array(0);

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** What has come and was not taken; empty only at the end. */
  async rest(): Promise<Uint8Array> {
    while (this.#chunk.length === 0) {
      const next = await this.#chunks.next();
      if (next.done === true) break;
      this.#chunk = next.value;
    }
    return this.#chunk;
  }

  take(length: number): void {
    this.#chunk = this.#chunk.subarray(length);
  }

  async close(): Promise<void> {
    await this.#chunks.return?.();
  }
}
