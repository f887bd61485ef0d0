/**
 * Reads files of the source and cuts them into blobs, in a thread that does nothing
 * else. What becomes of a blob is `save`'s business.
 *
 * @module
 */

import type { ByteString } from "../../../domain/byte-string.ts";
import type { Clock } from "../../../domain/clock.ts";
import { Chunker, maxChunkBytes, minChunkBytes } from "../../../format/restic/chunker.ts";
import type { ObjectId } from "../../../format/restic/model.ts";
import { closeSource, hasChanged, type OpenSource, openSourceNow, readSourceNow } from "../../source-file.ts";
import type { Piece, StoredFile } from "./store-messages.ts";

/** Read at once: stays in a second-level cache until it is cut. */
const readBytes = 1024 * 1024;

/** Kernels of our time stamp changes to 10 ms or better, but some file systems only to 2 s. */
const fineStampMs = 10;
const coarseStampMs = 2_000;
const nanosecondsPerSecond = 1_000_000_000n;
const nanosecondsPerMs = 1_000_000n;

export interface FileReaderOptions {
  readonly chunkerPolynomial: bigint;
  /** Stores a blob unless it is there already. The bytes are overwritten afterwards. */
  readonly save: (plain: Uint8Array) => ObjectId;
  /** Hears of bytes as they are done with. */
  readonly onBytes: (count: number) => void;
  readonly clock: Clock;
}

/** What was read, with the file as it was when it was opened. */
export interface ReadFile {
  readonly stored: StoredFile;
  readonly source: OpenSource;
}

/** What was found, without being stored. */
export interface CutFile extends ReadFile {
  readonly lengths: readonly number[];
  /** The file ends with them. */
  readonly isEnd: boolean;
}

export class FileReader {
  readonly #options: FileReaderOptions;
  readonly #small = Buffer.allocUnsafeSlow(minChunkBytes);
  readonly #pause = new Int32Array(new SharedArrayBuffer(4));
  #chunker: Chunker | undefined;

  constructor(options: FileReaderOptions) {
    this.#options = options;
  }

  /** Reads a file once more if it changed meanwhile. @throws {SourceFileError} */
  store(path: ByteString): ReadFile {
    const read = this.#storeOnce(path);
    return read.stored.changed ? this.#storeOnce(path) : read;
  }

  /** Finds chunks of a file without storing them: from `start` on, until they have `spanBytes` or the file ends. @throws {SourceFileError} */
  cut(path: ByteString, start: number, spanBytes: number): CutFile {
    const lengths: number[] = [];
    let found = 0;
    const read = this.#reading(path, "path", (source) => {
      this.#cutLarge(source, start, (_, length) => {
        lengths.push(length);
        found += length;
        return found < spanBytes;
      });
      return found;
    });
    return { ...read, lengths, isEnd: start + found >= read.source.sizeBytes };
  }

  /** Stores a part of a file whose chunks are known. @throws {SourceFileError} */
  storePiece({ path, from, start, lengths }: Piece): ReadFile {
    return this.#reading(path, from, ({ descriptor }, content) => {
      let position = start;
      for (const length of lengths) {
        const buffer = length <= this.#small.length ? this.#small : this.#largeBuffer();
        const count = readSourceNow(descriptor, buffer, { at: 0, length, position });
        if (count > 0) content.push(this.#options.save(buffer.subarray(0, count)));
        this.#options.onBytes(count);
        position += count;
        if (count < length) break;
      }
      return position - start;
    });
  }

  #storeOnce(path: ByteString): ReadFile {
    return this.#reading(path, "path", (source, content) => {
      if (source.sizeBytes <= minChunkBytes) return this.#storeSmall(source, content);
      const { save, onBytes } = this.#options;
      return this.#cutLarge(source, 0, (chunk, length) => {
        content.push(save(chunk));
        onBytes(length);
        return true;
      });
    });
  }

  #reading(
    path: ByteString,
    from: "path" | "image",
    read: (source: OpenSource, content: ObjectId[]) => number,
  ): ReadFile {
    const source = this.#openSettled(path, from);
    try {
      const content: ObjectId[] = [];
      const sizeBytes = read(source, content);
      return { stored: { outcome: "stored", content, sizeBytes, changed: hasChanged(source) }, source };
    } finally {
      closeSource(source.descriptor);
    }
  }

  /** A file of less than the smallest chunk is one blob, an empty one is none. */
  #storeSmall({ descriptor, sizeBytes }: OpenSource, content: ObjectId[]): number {
    const count = readSourceNow(descriptor, this.#small, { at: 0, length: sizeBytes, position: 0 });
    if (count > 0) content.push(this.#options.save(this.#small.subarray(0, count)));
    this.#options.onBytes(count);
    return count;
  }

  /**
   * Cuts until `onChunk` has enough; returns where it ended. Chunks depend on nothing before them. Not beyond
   * the size a file had when opened: a log may grow faster than it is read.
   */
  #cutLarge(
    source: OpenSource,
    from: number,
    onChunk: (chunk: Uint8Array, length: number) => boolean,
  ): number {
    const chunker = this.#openChunker();
    const { buffer } = chunker;
    chunker.forget();
    let end = 0;
    let position = from;
    for (let isEnd = position >= source.sizeBytes; ; ) {
      const length = chunker.chunkLength(0, end, isEnd);
      if (length !== undefined) {
        if (!onChunk(buffer.subarray(0, length), length)) return position;
        // Nothing beyond a cut has been looked at, so little is moved and nothing is looked at twice.
        buffer.copyWithin(0, length, end);
        end -= length;
      } else if (isEnd) return position;
      else {
        const wanted = Math.min(readBytes, buffer.length - end, source.sizeBytes - position);
        const count = readSourceNow(source.descriptor, buffer, { at: end, length: wanted, position });
        end += count;
        position += count;
        isEnd = count < wanted || position === source.sizeBytes;
      }
    }
  }

  /**
   * A file that changed just now could change again without a trace in its times, and count as
   * unchanged for ever. So its clock's next tick is waited for: a later change shows.
   */
  #openSettled(path: ByteString, from: "path" | "image"): OpenSource {
    const source = openSourceNow(path, from);
    if (from === "image") return source;
    const waitMs = msUntilSettled(source.stats.ctimeNs, this.#options.clock.now());
    if (waitMs === 0) return source;
    closeSource(source.descriptor);
    Atomics.wait(this.#pause, 0, 0, waitMs);
    return openSourceNow(path, from);
  }

  #openChunker(): Chunker {
    this.#chunker ??= new Chunker(this.#options.chunkerPolynomial, maxChunkBytes + readBytes);
    return this.#chunker;
  }

  #largeBuffer(): Uint8Array {
    return this.#openChunker().buffer;
  }
}

/** Milliseconds until a change would get another time than this one; 0 where one would now. */
export function msUntilSettled(ctimeNs: bigint, nowMs: number): number {
  const margin = ctimeNs % nanosecondsPerSecond === 0n ? coarseStampMs : fineStampMs;
  const ageMs = nowMs - Number(ctimeNs / nanosecondsPerMs);
  // A time far ahead comes from a clock that was set back since: a change would get an earlier one.
  return ageMs >= margin || ageMs < -margin ? 0 : Math.min(margin, margin - ageMs);
}
