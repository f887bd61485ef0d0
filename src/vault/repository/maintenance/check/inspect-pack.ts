/**
 * Reads one pack through, from its first byte to its last: its hash, every blob in
 * it, its header, and whether the index lists it as it is. Threads decode the blobs.
 *
 * @module
 */

import { createHash, type Hash } from "node:crypto";
import { isBackupError } from "../../../../domain/error.ts";
import type { IndexedPack, PackedBlob } from "../../../../format/restic/model.ts";
import { packName } from "../../objects.ts";
import type { BlobThreads } from "../../read/blob-threads.ts";
import { stateOf } from "../../read/decode-blobs.ts";
import type { Repository } from "../../repository.ts";
import { headerTailBytesMax, parseTail } from "../pack-header.ts";
import { type PackSegment, planSegments } from "./pack-segments.ts";

/** Something wrong with a pack, or with one blob of it. */
export interface PackFinding {
  /** Present where it concerns one blob, which therefore cannot be read from this pack. */
  readonly blob?: PackedBlob;
  /** A clause: "its bytes do not match its name". */
  readonly message: string;
}

export interface InspectedPack extends IndexedPack {
  readonly sizeBytes: number;
}

/**
 * @param pack as the index lists it, its blobs in the order of their offsets
 * @param onBytes told how many bytes were read, as it goes
 * @returns nothing where all is well
 * @throws {BackupError} as the storage; damage is a finding
 */
export async function inspectPack(
  repo: Repository,
  threads: BlobThreads,
  pack: InspectedPack,
  onBytes: (count: number) => void,
  signal: AbortSignal,
): Promise<readonly PackFinding[]> {
  const findings: PackFinding[] = [];
  const { segments, misplaced } = planSegments(pack.blobs, pack.sizeBytes);
  findings.push(...misplaced);
  const hash = createHash("sha256");
  const tail = new Tail();
  let decoding: Promise<void> = Promise.resolve();
  try {
    for (const segment of segments) {
      const pieces = await readSegment(repo, pack, segment, hash, signal);
      onBytes(segment.length);
      if (segment.blobs.length === 0) tail.push(pieces);
      else {
        // One at a time: memory stays bounded, and the next is read meanwhile.
        await decoding;
        decoding = decode(threads, segment, pieces, findings);
        // Awaited later; a failure is not to be taken for one nobody handles.
        decoding.catch(() => undefined);
      }
    }
    await decoding;
  } catch (error) {
    await decoding.catch(() => undefined);
    if (!isBackupError(error, "damaged", "not-found")) throw error;
    return [...findings, { message: stateOf(error) }];
  }
  if (hash.digest("hex") !== pack.id) findings.unshift({ message: "its bytes do not match its name" });
  const wrong = headerFault(repo, pack.blobs, tail.bytes());
  return wrong === undefined ? findings : [...findings, { message: wrong }];
}

async function readSegment(
  { storage }: Repository,
  pack: InspectedPack,
  { offset, length }: PackSegment,
  hash: Hash,
  signal: AbortSignal,
): Promise<Uint8Array[]> {
  const pieces: Uint8Array[] = [];
  for await (const piece of storage.get(packName(pack.id), { offset, length }, signal)) {
    hash.update(piece);
    pieces.push(piece);
  }
  return pieces;
}

async function decode(
  threads: BlobThreads,
  { offset, blobs }: PackSegment,
  pieces: readonly Uint8Array[],
  findings: PackFinding[],
): Promise<void> {
  const placed = blobs.map((blob) => ({ ...blob, offset: blob.offset - offset, at: 0 }));
  for (const { index, state } of await threads.decode({ pieces, blobs: placed })) {
    findings.push({ blob: blobs[index] as PackedBlob, message: state });
  }
}

/** What is wrong with a header, or how it differs from the index, as a clause. */
function headerFault(
  { key }: Repository,
  indexed: readonly PackedBlob[],
  tail: Uint8Array,
): string | undefined {
  let listed: readonly PackedBlob[];
  try {
    listed = parseTail(key, tail);
  } catch (error) {
    if (!isBackupError(error, "damaged")) throw error;
    return `its header cannot be read: ${stateOf(error)}`;
  }
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

/** The last bytes of a pack, as many as its header may have. */
class Tail {
  #parts: Uint8Array[] = [];
  #size = 0;

  push(parts: readonly Uint8Array[]): void {
    for (const part of parts) {
      this.#parts.push(part);
      this.#size += part.length;
    }
    for (let first = this.#parts[0]; first !== undefined; first = this.#parts[0]) {
      if (this.#size - first.length < headerTailBytesMax) return;
      this.#parts.shift();
      this.#size -= first.length;
    }
  }

  bytes(): Uint8Array {
    return Buffer.concat(this.#parts);
  }
}
