/**
 * Reads a `tar.gz` that has no contents file, as the Python original wrote it:
 * from front to back, trusting nothing. There are no checksums to compare with
 * but gzip's own.
 *
 * @module
 */

import { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { byteStringToDisplay } from "../../../domain/byte-string.ts";
import type { StoredEntry } from "../../../domain/entry.ts";
import { BackupError, errorText, isAbort, isBackupError } from "../../../domain/error.ts";
import { tarBlockBytes, tarPaddingBytes } from "../../../format/archive/tar-header.ts";
import type { TarBlock } from "../../../format/archive/tar-parse.ts";
import {
  applyPaxRecords,
  parseGnuName,
  parsePaxRecords,
  parseTarBlock,
  tarRecordBytesMax,
} from "../../../format/archive/tar-parse.ts";
import type { ByteRange, Storage } from "../../../storage/storage.ts";
import type { Damage, EntryWithContent } from "../../vault.ts";
import type { ArchiveReading, ArchiveVerification } from "./archive-reader.ts";
import { ByteFeed } from "./byte-feed.ts";
import { ForeignEntries } from "./foreign-archive-entry.ts";

/** Content is handed out in pieces of this size. */
const pieceBytes = 256 * 1024;
/** Gunzip's output per call: fewer and larger chunks than its default of 16 KiB. */
const gunzipChunkBytes = 256 * 1024;
/** What unpacks to more than this, and to more than so many times its size, is taken for a bomb. */
const bombBytesMin = 1024 * 1024 * 1024;
const bombRatio = 200;

export interface ForeignArchiveOptions {
  readonly storage: Pick<Storage, "get">;
  readonly archiveName: string;
}

/**
 * Opens a foreign archive; reads nothing yet. The first path component of each entry
 * becomes its root. Entries come as they lie in the archive.
 */
export function openForeignArchive(options: ForeignArchiveOptions): ArchiveReading {
  return new ForeignArchive(options);
}

interface PositionedEntry extends EntryWithContent {
  /** Compressed bytes read so far. */
  readonly bytesRead: number;
}

class ForeignArchive implements ArchiveReading {
  readonly #options: ForeignArchiveOptions;

  constructor(options: ForeignArchiveOptions) {
    this.#options = options;
  }

  async *entries(signal: AbortSignal): AsyncGenerator<StoredEntry> {
    for await (const { entry } of this.#walk(signal)) yield entry;
  }

  async *contents(
    select: (entry: StoredEntry) => boolean,
    signal: AbortSignal,
  ): AsyncGenerator<EntryWithContent> {
    for await (const { entry, content } of this.#walk(signal)) {
      if (select(entry)) yield content === undefined ? { entry } : { entry, content };
    }
  }

  async *read(
    entry: StoredEntry,
    range: ByteRange | undefined,
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array> {
    for await (const found of this.#walk(signal)) {
      if (found.entry.path !== entry.path || found.entry.root !== entry.root) continue;
      const { offset, length } = range ?? { offset: 0, length: found.entry.sizeBytes };
      if (found.content === undefined || offset + length > found.entry.sizeBytes) {
        const name = byteStringToDisplay(entry.path);
        throw new BackupError("invalid-input", `Cannot read ${name}: it has no such bytes`);
      }
      yield* cut(found.content, offset, length);
      return;
    }
    const name = `${entry.root}/${byteStringToDisplay(entry.path)}`;
    throw new BackupError("not-found", `Cannot read ${name}: it is not in ${this.#options.archiveName}`);
  }

  async verify(
    _depth: "stored" | "content",
    report: (damage: Damage) => void,
    progress: (bytesRead: number) => void,
    signal: AbortSignal,
  ): Promise<ArchiveVerification> {
    let bytesRead = 0;
    let entriesChecked = 0;
    try {
      for await (const item of this.#walk(signal)) {
        entriesChecked++;
        if (item.content !== undefined) for await (const _ of item.content);
        bytesRead = item.bytesRead;
        progress(bytesRead);
      }
    } catch (error) {
      if (!isBackupError(error, "damaged", "unsafe", "unsupported", "not-found")) throw error;
      report({ object: this.#options.archiveName, message: errorText(error) });
    }
    return { bytesRead, entriesChecked };
  }

  async *#walk(signal: AbortSignal): AsyncGenerator<PositionedEntry> {
    const { archiveName } = this.#options;
    const raw = new Unpacked(this.#options, signal);
    const entries = new ForeignEntries(archiveName);
    await using feed = new ByteFeed(raw.bytes(), archiveName);
    for (;;) {
      signal.throwIfAborted();
      const block = await nextBlock(feed, archiveName);
      if (block === undefined) break;
      const entry = entries.accept(block);
      const sizeBytes = hasData(block) ? block.sizeBytes : 0;
      const content = new ForeignContent(feed, sizeBytes);
      if (entry?.kind === "file" && entry.hardLinkTo === undefined) {
        yield { entry, content: content.bytes(), bytesRead: raw.packedBytes };
      } else if (entry !== undefined) yield { entry, bytesRead: raw.packedBytes };
      await content.pass();
    }
    // Gzip's own checksum stands at the very end.
    await feed.drain();
  }
}

/** The bytes of one file, to be read once, in part or not at all. */
class ForeignContent {
  readonly #feed: ByteFeed;
  readonly #paddingBytes: number;
  #left: number;

  constructor(feed: ByteFeed, sizeBytes: number) {
    this.#feed = feed;
    this.#left = sizeBytes;
    this.#paddingBytes = tarPaddingBytes(sizeBytes);
  }

  async *bytes(): AsyncGenerator<Uint8Array> {
    while (this.#left > 0) {
      const length = Math.min(pieceBytes, this.#left);
      this.#left -= length;
      yield await this.#feed.take(length);
    }
  }

  /** Reads over whatever is left, so that the next header comes. */
  async pass(): Promise<void> {
    for await (const _ of this.bytes());
    await this.#feed.take(this.#paddingBytes);
  }
}

/** The inflated bytes of the archive. */
class Unpacked {
  readonly #options: ForeignArchiveOptions;
  readonly #signal: AbortSignal;
  #rawBytes = 0;
  packedBytes = 0;

  constructor(options: ForeignArchiveOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
  }

  async *bytes(): AsyncGenerator<Uint8Array> {
    const { archiveName } = this.#options;
    const packed = Readable.from(this.#packed(), { objectMode: false });
    const gunzip = createGunzip({ chunkSize: gunzipChunkBytes });
    packed.on("error", (error) => gunzip.destroy(error));
    packed.pipe(gunzip);
    try {
      for await (const chunk of gunzip as AsyncIterable<Uint8Array>) {
        this.#rawBytes += chunk.length;
        this.#checkRatio();
        yield chunk;
      }
    } catch (error) {
      throw this.#signal.aborted || isAbort(error) || error instanceof BackupError
        ? error
        : notGzip(archiveName, error);
    } finally {
      gunzip.destroy();
      packed.destroy();
    }
  }

  async *#packed(): AsyncGenerator<Uint8Array> {
    const { storage, archiveName } = this.#options;
    for await (const chunk of storage.get(archiveName, undefined, this.#signal)) {
      this.packedBytes += chunk.length;
      yield chunk;
    }
  }

  #checkRatio(): void {
    if (this.#rawBytes < bombBytesMin || this.#rawBytes < this.packedBytes * bombRatio) return;
    throw new BackupError(
      "unsafe",
      `Cannot read ${this.#options.archiveName}: it unpacks to far more than its size`,
    );
  }
}

function notGzip(archiveName: string, cause: unknown): BackupError {
  return new BackupError("damaged", `Cannot read ${archiveName}: it is not intact gzip data`, { cause });
}

/** The next block that stands for an entry, with the records before it applied; undefined at the end. */
async function nextBlock(feed: ByteFeed, archiveName: string): Promise<TarBlock | undefined> {
  let records: ReadonlyMap<string, string> = new Map();
  let longNames: { name?: string; linkName?: string } = {};
  for (;;) {
    const block = parseTarBlock(await feed.take(tarBlockBytes));
    if (block === undefined) return undefined;
    if (!"xgLK".includes(block.type)) return applyPaxRecords({ ...block, ...longNames }, records);
    if (block.sizeBytes > tarRecordBytesMax) {
      throw new BackupError(
        "unsafe",
        `Cannot read ${archiveName}: it has a header of ${block.sizeBytes} bytes`,
      );
    }
    const data = await feed.take(block.sizeBytes);
    await feed.take(tarPaddingBytes(block.sizeBytes));
    if (block.type === "x") records = parsePaxRecords(data);
    else if (block.type === "L") longNames = { ...longNames, name: parseGnuName(data) };
    else if (block.type === "K") longNames = { ...longNames, linkName: parseGnuName(data) };
  }
}

/** Only files have data; some writers give directories and links a size that means nothing. */
function hasData(block: TarBlock): boolean {
  return block.type === "0" || block.type === "7";
}

async function* cut(
  content: AsyncIterable<Uint8Array>,
  offset: number,
  length: number,
): AsyncGenerator<Uint8Array> {
  let position = 0;
  for await (const chunk of content) {
    const start = Math.max(0, offset - position);
    const end = Math.min(chunk.length, offset + length - position);
    if (start < end) yield chunk.subarray(start, end);
    position += chunk.length;
    if (position >= offset + length) return;
  }
}
