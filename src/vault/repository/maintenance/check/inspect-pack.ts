/**
 * Reads one pack through, from its first byte to its last: its hash, every blob in
 * it, its header, and whether the index lists it as it is. Threads decode the blobs.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { BackupError, isBackupError } from "../../../../domain/error.ts";
import type { IndexedPack, PackedBlob } from "../../../../format/restic/model.ts";
import { packName } from "../../objects.ts";
import type { BlobThreads } from "../../read/blob-threads.ts";
import { stateOf } from "../../read/decode-blobs.ts";
import type { Repository } from "../../repository.ts";
import { headerTailBytesMax, parseTail } from "../pack-header.ts";

/** Something wrong with a pack, or with one blob of it. */
export interface PackFinding {
  /** Present where it concerns one blob, which therefore cannot be read from this pack. */
  readonly blob?: PackedBlob;
  /** A clause: "its bytes do not match its name". */
  readonly message: string;
}

/** Blobs handed to a thread together: enough that handing over costs nothing, and few enough for several packs at once. */
const segmentBytes = 4 * 1024 * 1024;

/**
 * @param pack as the index lists it, its blobs in the order of their offsets
 * @param onBytes told how many bytes were read, as it goes
 * @returns nothing where all is well
 * @throws {BackupError} as the storage; damage is a finding
 */
export async function inspectPack(
  repo: Repository,
  threads: BlobThreads,
  pack: IndexedPack,
  onBytes: (count: number) => void,
  signal: AbortSignal,
): Promise<readonly PackFinding[]> {
  const reading = new PackReading(threads, pack);
  try {
    for await (const chunk of repo.storage.get(packName(pack.id), undefined, signal)) {
      signal.throwIfAborted();
      // Told first: the bytes are handed to a thread, and then no longer ours to measure.
      onBytes(chunk.byteLength);
      await reading.feed(chunk);
    }
  } catch (error) {
    if (!isBackupError(error, "damaged", "not-found")) throw error;
    return [{ message: stateOf(error) }];
  }
  return await reading.finish(repo);
}

class PackReading {
  readonly #threads: BlobThreads;
  readonly #pack: IndexedPack;
  readonly #hash = createHash("sha256");
  readonly #findings: PackFinding[] = [];
  /** Blobs that can lie where the index says, not yet in a segment. */
  readonly #blobs: PackedBlob[];
  #segment: { readonly pieces: Uint8Array[]; readonly start: number } = { pieces: [], start: 0 };
  readonly #blobsEnd: number;
  #tail: Uint8Array[] = [];
  #position = 0;
  #decoding: Promise<void> = Promise.resolve();

  constructor(threads: BlobThreads, pack: IndexedPack) {
    this.#threads = threads;
    this.#pack = pack;
    this.#blobs = this.#withoutOverlaps();
    const last = this.#blobs.at(-1);
    this.#blobsEnd = last === undefined ? 0 : last.offset + last.length;
  }

  /** Takes the bytes over. */
  async feed(chunk: Uint8Array): Promise<void> {
    this.#hash.update(chunk);
    const inBlobs = Math.max(0, Math.min(chunk.length, this.#blobsEnd - this.#position));
    // A copy, because what lies before it is handed to a thread.
    const tail = chunk.slice(inBlobs);
    let rest = chunk.subarray(0, inBlobs);
    while (rest.length > 0) rest = await this.#fill(rest);
    if (tail.length > 0) this.#keepTail(tail);
    this.#position += tail.length;
  }

  async finish(repo: Repository): Promise<readonly PackFinding[]> {
    await this.#decode(this.#blobs.splice(0));
    await this.#decoding;
    if (this.#hash.digest("hex") !== this.#pack.id) {
      this.#findings.unshift({ message: "its bytes do not match its name" });
    }
    this.#checkHeader(repo);
    return this.#findings;
  }

  /** Puts bytes into the segment up to where it ends; returns those that are left. */
  async #fill(bytes: Uint8Array): Promise<Uint8Array> {
    const end = this.#segmentEnd();
    const taken = bytes.subarray(0, end - this.#position);
    const rest = bytes.subarray(taken.length);
    this.#segment.pieces.push(taken);
    this.#position += taken.length;
    if (this.#position === end) {
      const count = this.#blobs.findIndex((blob) => blob.offset >= end);
      await this.#decode(this.#blobs.splice(0, count < 0 ? this.#blobs.length : count));
    }
    return rest;
  }

  #segmentEnd(): number {
    let end = this.#segment.start;
    for (const blob of this.#blobs) {
      end = blob.offset + blob.length;
      if (end - this.#segment.start >= segmentBytes) break;
    }
    return end;
  }

  /** Hands a segment to a thread as soon as the one before is done, so that memory stays bounded. */
  async #decode(blobs: readonly PackedBlob[]): Promise<void> {
    const { pieces, start } = this.#segment;
    this.#segment = { pieces: [], start: this.#position };
    await this.#decoding;
    const placed = blobs.map(({ id, offset, length, uncompressedLength }) => ({
      id,
      offset: offset - start,
      length,
      at: 0,
      ...(uncompressedLength === undefined ? {} : { uncompressedLength }),
    }));
    this.#decoding = this.#threads.decode({ pieces, blobs: placed }).then((failures) => {
      for (const { index, state } of failures) {
        this.#findings.push({ blob: blobs[index] as PackedBlob, message: state });
      }
    });
    // Awaited later; a failure is not to be taken for one nobody handles.
    this.#decoding.catch(() => undefined);
  }

  #withoutOverlaps(): PackedBlob[] {
    let end = 0;
    return this.#pack.blobs.filter((blob) => {
      const isFree = blob.offset >= end;
      if (isFree) end = blob.offset + blob.length;
      else this.#findings.push({ blob, message: "the index says that it lies where another blob does" });
      return isFree;
    });
  }

  #keepTail(bytes: Uint8Array): void {
    this.#tail.push(bytes);
    const size = this.#tail.reduce((sum, part) => sum + part.length, 0);
    if (size - (this.#tail[0]?.length ?? 0) >= headerTailBytesMax) this.#tail.shift();
  }

  #checkHeader({ key }: Repository): void {
    try {
      const listed = parseTail(key, Buffer.concat(this.#tail));
      const wrong = headerDifference(this.#pack.blobs, listed);
      if (wrong !== undefined) this.#findings.push({ message: wrong });
    } catch (error) {
      if (!(error instanceof BackupError)) throw error;
      this.#findings.push({ message: `its header cannot be read: ${stateOf(error)}` });
    }
  }
}

/** How the index differs from the header, as a clause; undefined where it does not. */
function headerDifference(indexed: readonly PackedBlob[], listed: readonly PackedBlob[]): string | undefined {
  const known = new Set(indexed.map(blobText));
  const unknown = listed.filter((blob) => !known.delete(blobText(blob)));
  const [first] = unknown;
  if (first !== undefined) {
    const more = unknown.length > 1 ? ` and ${unknown.length - 1} more blobs` : "";
    return `the index does not list ${first.type} ${first.id}${more} as its header does`;
  }
  return known.size === 0 ? undefined : `the index lists ${known.size} blobs that its header does not`;
}

function blobText({ type, id, offset, length, uncompressedLength }: PackedBlob): string {
  return `${type} ${id} ${offset} ${length} ${uncompressedLength ?? ""}`;
}
