/**
 * Reads one pack through, from its first byte to its last: its hash, every blob in
 * it, its header, and whether the index lists it as it is. Threads decode the blobs.
 *
 * @module
 */

import { createHash, type Hash } from "node:crypto";
import { isBackupError } from "../../../../domain/error.ts";
import type { IndexedPack, PackedBlob } from "../../../../format/restic/model.ts";
import { isInputFailure } from "../../../unreadable-file.ts";
import { packName } from "../../objects.ts";
import type { BlobThreads } from "../../read/blob-threads.ts";
import { stateOf } from "../../read/decode-blobs.ts";
import { readFailure } from "../../read/read-failure.ts";
import type { Repository } from "../../repository.ts";
import { headerTailBytesMax, parseTail } from "../pack-header.ts";
import { type PackSegment, planSegments } from "./pack-segments.ts";

/** Something wrong with a pack, or with one blob of it. */
export interface PackFinding {
  /** Present where it concerns one blob, which therefore cannot be read from this pack. */
  readonly blob?: PackedBlob;
  /** Nothing is known to be wrong: the disk cannot read it, perhaps only today. */
  readonly isUnread?: true;
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
  const { segments, misplaced } = planSegments(pack.blobs, pack.sizeBytes);
  const inThread = await inspectInThread(repo, threads, pack, segments);
  if (inThread !== undefined) {
    onBytes(pack.sizeBytes);
    return [...misplaced, ...inThread];
  }
  const inspection: Inspection = {
    repo,
    threads,
    pack,
    findings: [...misplaced],
    hash: createHash("sha256"),
  };
  const tail = new Tail();
  let unreadable: PackFinding | undefined;
  let decoding: Promise<void> = Promise.resolve();
  for (const segment of segments) {
    const pieces = await readSegment(inspection, segment, signal);
    onBytes(segment.length);
    // One at a time: memory stays bounded, and the next is read meanwhile.
    await decoding;
    if (!Array.isArray(pieces)) {
      unreadable ??= pieces;
      await decodeSingly(inspection, segment, signal);
    } else if (segment.blobs.length === 0) tail.push(pieces);
    else decoding = handled(decode(inspection, segment, pieces));
  }
  await decoding;
  if (unreadable !== undefined) return [unreadable, ...inspection.findings];
  const faults = wholeFaults(repo, pack, inspection.hash.digest("hex"), tail.bytes());
  return [...faults, ...inspection.findings];
}

/** Where packs are files of this machine a thread reads one by itself; undefined where it cannot. */
async function inspectInThread(
  repo: Repository,
  threads: BlobThreads,
  pack: InspectedPack,
  segments: readonly PackSegment[],
): Promise<readonly PackFinding[] | undefined> {
  const wholeFile = repo.storage.localPath?.(packName(pack.id));
  if (wholeFile === undefined) return undefined;
  const blobs = segments.flatMap((segment) => segment.blobs);
  const { sizeBytes } = pack;
  const task = { wholeFile, sizeBytes, blobs, tailBytesMax: headerTailBytesMax };
  const read = await threads.inspectFile(task);
  // One that became shorter meanwhile is read the other way, which says what of it is there.
  if (read === undefined || read.sizeBytes < sizeBytes) return undefined;
  const inBlobs = read.failures.map(({ index, state }) => ({
    blob: blobs[index] as PackedBlob,
    message: state,
  }));
  return [...wholeFaults(repo, pack, read.sha256, read.tail), ...inBlobs];
}

interface Inspection {
  readonly repo: Repository;
  readonly threads: BlobThreads;
  readonly pack: InspectedPack;
  readonly findings: PackFinding[];
  readonly hash: Hash;
}

/** Awaited later; until then a failure is not to be taken for one nobody handles. */
function handled(work: Promise<void>): Promise<void> {
  work.catch(() => undefined);
  return work;
}

/** The bytes, or why they cannot be had. */
async function readSegment(
  { repo: { storage }, pack, hash }: Inspection,
  { offset, length }: PackSegment,
  signal: AbortSignal,
): Promise<Uint8Array[] | PackFinding> {
  const pieces: Uint8Array[] = [];
  try {
    for await (const piece of storage.get(packName(pack.id), { offset, length }, signal)) {
      signal.throwIfAborted();
      hash.update(piece);
      pieces.push(piece);
    }
    return pieces;
  } catch (error) {
    const message = await readFailure(storage, error, signal);
    return isInputFailure(error) ? { message, isUnread: true } : { message };
  }
}

/** Some blobs of a segment that cannot be read may be readable. */
async function decodeSingly(
  inspection: Inspection,
  { blobs }: PackSegment,
  signal: AbortSignal,
): Promise<void> {
  for (const blob of blobs) {
    const alone: PackSegment = { offset: blob.offset, length: blob.length, blobs: [blob] };
    const pieces = await readSegment(inspection, alone, signal);
    if (!Array.isArray(pieces)) inspection.findings.push({ ...pieces, blob });
    else await decode(inspection, alone, pieces);
  }
}

async function decode(
  { threads, findings }: Inspection,
  { offset, blobs }: PackSegment,
  pieces: readonly Uint8Array[],
): Promise<void> {
  const placed = blobs.map((blob) => ({ ...blob, offset: blob.offset - offset, at: 0 }));
  for (const { index, state } of await threads.decode({ pieces, blobs: placed })) {
    findings.push({ blob: blobs[index] as PackedBlob, message: state });
  }
}

/** What is wrong with a pack of which every byte was read, besides its blobs. */
function wholeFaults(
  repo: Repository,
  pack: InspectedPack,
  sha256: string,
  tail: Uint8Array,
): readonly PackFinding[] {
  const name = sha256 === pack.id ? undefined : "its bytes do not match its name";
  return [name, headerFault(repo, pack.blobs, tail)].flatMap((message) =>
    message === undefined ? [] : [{ message }],
  );
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
