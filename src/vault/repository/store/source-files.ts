/**
 * Hands files over to the threads of a blob store: small ones many at a time, large
 * ones in pieces, so that all threads have work whatever the sizes are.
 *
 * @module
 */

import type { ByteString } from "../../../domain/byte-string.ts";
import { BackupError } from "../../../domain/error.ts";
import type { ObjectId } from "../../../format/restic/model.ts";
import type { BlobStore } from "./blob-store.ts";
import { type FileFacts, isSameFile, unpackFacts } from "./file-facts.ts";
import type { FileOutcome, StoredFile, StoreResult } from "./store-messages.ts";

/** Files handed over at once: a message costs about as much as ten of them. */
const batchFilesMax = 256;
const batchBytesMax = 4 * 1024 * 1024;
/** Larger files are cut by one thread while others store what is cut already. */
const cutBytesMin = 64 * 1024 * 1024;
/** Cut at once, a fraction of a second's work. */
const cutSpanBytes = 64 * 1024 * 1024;
/** Stored at once by one thread. */
const pieceBytes = 16 * 1024 * 1024;
/** Pieces under way for one file: the threads have work, and what was cut is still in the system's cache. */
const piecesAhead = 12;
/** Large files and images under way at once. */
const largeAtOnce = 2;

/** What became of a file, and what it looked like. */
export type SourceFileResult = { readonly outcome: FileOutcome; readonly facts: FileFacts };

interface WaitingFile {
  readonly path: ByteString;
  readonly done: (result: SourceFileResult) => void;
}

/** Lengths of consecutive chunks. */
interface Span {
  readonly start: number;
  readonly lengths: readonly number[];
}

export class SourceFiles {
  readonly #store: BlobStore;
  readonly #underWay = new Set<Promise<void>>();
  readonly #large = new Set<Promise<void>>();
  #batch: WaitingFile[] = [];
  #batchBytes = 0;

  constructor(store: BlobStore) {
    this.#store = store;
  }

  /** Stores a file; `done` hears how it went, unless the store fails. Returns when more can be accepted. */
  async add(path: ByteString, sizeBytes: number, done: (result: SourceFileResult) => void): Promise<void> {
    if (sizeBytes >= cutBytesMin) {
      await this.#addLarge(async () => done(await this.#storeInPieces(path)));
      return;
    }
    this.#batch.push({ path, done });
    this.#batchBytes += sizeBytes;
    if (this.#batch.length < batchFilesMax && this.#batchBytes < batchBytesMax) return;
    this.#sendBatch();
    await this.#store.poolRoom();
  }

  /**
   * Stores a file that does not change, in chunks of `chunkBytes`; `done` gets its blobs. Returns when more can be accepted.
   *
   * @throws {BackupError} later, through {@link finish}: `source-unavailable` if it is not as it should be
   */
  async addImage(
    image: { readonly path: ByteString; readonly sizeBytes: number; readonly chunkBytes: number },
    done: (content: readonly ObjectId[]) => Promise<void> | void,
  ): Promise<void> {
    await this.#addLarge(async () => {
      const outcomes = await this.#storeSpans(
        image.path,
        "image",
        imageSpans(image.sizeBytes, image.chunkBytes),
      );
      const content: ObjectId[] = [];
      let sizeBytes = 0;
      for (const { outcome, facts } of outcomes) {
        if (outcome.outcome === "unstored") throw unreadableImage(outcome.message);
        if (facts.sizeBytes !== image.sizeBytes) throw unreadableImage("it has another size than it had");
        content.push(...outcome.content);
        sizeBytes += outcome.sizeBytes;
      }
      if (sizeBytes !== image.sizeBytes) throw unreadableImage("it is shorter than it was");
      await done(content);
    });
  }

  /** Returns when all files are stored. @throws what made the store fail */
  async finish(): Promise<void> {
    // Again, because what became of one file may make another be stored.
    for (this.#sendBatch(); this.#underWay.size > 0; this.#sendBatch()) {
      this.#store.doSmall();
      await Promise.all(this.#underWay);
    }
  }

  /** Returns when nothing is under way any more, whatever came of it. */
  async quiesce(): Promise<void> {
    this.#batch = [];
    await Promise.allSettled(this.#underWay);
  }

  #sendBatch(): void {
    const [files, bytes] = [this.#batch, this.#batchBytes];
    if (files.length === 0) return;
    this.#batch = [];
    this.#batchBytes = 0;
    const storing = async (): Promise<void> => {
      const paths = files.map(({ path }) => path);
      const { outcomes, facts } = await this.#store.run({ kind: "files", paths }, { bytes });
      for (const [index, { done }] of files.entries()) {
        done({ outcome: outcomes[index]!, facts: unpackFacts(facts, index) });
      }
    };
    void this.#track(storing());
  }

  async #addLarge(storing: () => Promise<void>): Promise<void> {
    while (this.#large.size >= largeAtOnce) {
      this.#store.doSmall();
      await Promise.race(this.#large);
    }
    const stored = this.#track(storing());
    this.#large.add(stored);
    const forget = (): void => void this.#large.delete(stored);
    stored.then(forget, forget);
  }

  /** It may fail long before somebody waits for it: then the next call on the store says so. */
  #track(storing: Promise<void>): Promise<void> {
    const tracked = storing.finally(() => this.#underWay.delete(tracked));
    tracked.catch((error: unknown) => this.#store.fail(error));
    this.#underWay.add(tracked);
    return tracked;
  }

  /** A file that changed meanwhile is stored once more, by one thread. */
  async #storeInPieces(path: ByteString): Promise<SourceFileResult> {
    const cuts: SourceFileResult[] = [];
    const pieces = await this.#storeSpans(path, "path", this.#cutSpans(path, cuts));
    const facts = cuts[0]!.facts;
    const all = [...cuts, ...pieces];
    const isOne = all.every(
      ({ outcome, facts: other }) =>
        outcome.outcome === "stored" && !outcome.changed && isSameFile(other, facts),
    );
    const sizeBytes = pieces.reduce((sum, { outcome }) => sum + sizeOf(outcome), 0);
    if (!isOne || sizeBytes !== facts.sizeBytes) return await this.#storeWhole(path);
    const content = pieces.flatMap(({ outcome }) => (outcome as StoredFile).content);
    return { outcome: { outcome: "stored", content, sizeBytes, changed: false }, facts };
  }

  async #storeWhole(path: ByteString): Promise<SourceFileResult> {
    return resultOf(await this.#store.run({ kind: "files", paths: [path] }, { urgent: true }));
  }

  /** The chunks of a file, a stretch at a time; the next one is being looked for meanwhile. */
  async *#cutSpans(path: ByteString, cuts: SourceFileResult[]): AsyncGenerator<Span> {
    const cut = (start: number): Promise<StoreResult> =>
      this.#store.run({ kind: "cut", path, start, spanBytes: cutSpanBytes }, { urgent: true });
    for (let start = 0, next = cut(0); ; ) {
      const result = await next;
      const { lengths } = result;
      cuts.push(resultOf(result));
      const end = lengths.reduce((sum, length) => sum + length, start);
      const isLast = result.outcomes[0]?.outcome !== "stored" || result.isEnd || lengths.length === 0;
      if (!isLast) {
        next = cut(end);
        next.catch(() => undefined);
      }
      yield* piecesOf(start, lengths);
      if (isLast) return;
      start = end;
    }
  }

  async #storeSpans(
    path: ByteString,
    from: "path" | "image",
    spans: AsyncIterable<Span> | Iterable<Span>,
  ): Promise<readonly SourceFileResult[]> {
    const results: Promise<SourceFileResult>[] = [];
    for await (const { start, lengths } of spans) {
      if (results.length >= piecesAhead) await results[results.length - piecesAhead];
      const bytes = lengths.reduce((sum, length) => sum + length, 0);
      const piece = this.#store.run({ kind: "piece", path, from, start, lengths }, { urgent: true, bytes });
      const result = piece.then(resultOf);
      result.catch(() => undefined);
      results.push(result);
    }
    return await Promise.all(results);
  }
}

function resultOf({ outcomes, facts }: StoreResult): SourceFileResult {
  return { outcome: outcomes[0]!, facts: unpackFacts(facts, 0) };
}

function sizeOf(outcome: FileOutcome): number {
  return outcome.outcome === "stored" ? outcome.sizeBytes : 0;
}

function* piecesOf(start: number, lengths: readonly number[]): Generator<Span> {
  let at = start;
  let bytes = 0;
  let piece: number[] = [];
  for (const length of lengths) {
    piece.push(length);
    bytes += length;
    if (bytes < pieceBytes) continue;
    yield { start: at, lengths: piece };
    at += bytes;
    bytes = 0;
    piece = [];
  }
  if (piece.length > 0) yield { start: at, lengths: piece };
}

function* imageSpans(sizeBytes: number, chunkBytes: number): Generator<Span> {
  const chunksPerPiece = Math.max(1, Math.floor(pieceBytes / chunkBytes));
  for (let start = 0; start < sizeBytes; start += chunksPerPiece * chunkBytes) {
    const bytes = Math.min(chunksPerPiece * chunkBytes, sizeBytes - start);
    const chunks = Math.ceil(bytes / chunkBytes);
    const lengths = Array.from({ length: chunks }, (_, i) => Math.min(chunkBytes, bytes - i * chunkBytes));
    yield { start, lengths };
  }
}

function unreadableImage(state: string): BackupError {
  return new BackupError("source-unavailable", `Cannot store a captured database: ${state}`);
}
