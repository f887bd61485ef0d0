/**
 * Opens blobs as they lie in a pack: MAC, decryption, decompression, hash. Synchronous,
 * so that threads run it; frees every large buffer at once, because the garbage
 * collector sees megabytes late and fresh memory costs more than decrypting into it.
 *
 * @module
 */

import { hash } from "node:crypto";
import { errorText, isBackupError } from "../../../domain/error.ts";
import { decompress } from "../../../encode/zstd.ts";
import { decompressInto } from "../../../encode/zstd-decoder.ts";
import { StoredFrame } from "../../../encode/zstd-stored.ts";
import {
  boxOverheadBytes,
  decryptUnproven,
  openBox,
  openBoxInPieces,
  openBoxInto,
} from "../../../format/restic/crypto-box.ts";
import type { MasterKey, ObjectId } from "../../../format/restic/model.ts";
import { PackFile, type PackPart } from "./pack-file.ts";
import { type Destination, writeData } from "./write-data.ts";

/** One blob of a range of a pack. */
export interface BlobToDecode {
  readonly id: ObjectId;
  /** Of the envelope, inside the range. */
  readonly offset: number;
  /** Of the envelope. */
  readonly length: number;
  readonly uncompressedLength?: number;
  /** Where its plain bytes go in the target. */
  readonly at: number;
  /** Files they are written into. */
  readonly to?: readonly Destination[];
}

/** A blob, wherever it lies. */
type NamedBlob = Pick<BlobToDecode, "id" | "length" | "uncompressedLength">;

export interface DecodeTask {
  /** The stored bytes of the range, in order. They are gone afterwards. */
  readonly pieces: readonly Uint8Array[];
  readonly blobs: readonly BlobToDecode[];
}

/** The same, to be read by the thread itself. */
export interface FileTask {
  readonly part: PackPart;
  readonly blobs: readonly BlobToDecode[];
}

/** What is wrong with one blob of a task. */
export interface DecodeFailure {
  /** Of the blob in the task. */
  readonly index: number;
  /** Completes a sentence that names the blob: "its MAC is wrong". */
  readonly state: string;
}

/** Smaller buffers are worth less than the call that frees them, and may be parts of others. */
const freedBytesMin = 32 * 1024;

/** Plain bytes of a blob as its index entry has it. */
export function plainLengthOf(blob: {
  readonly length: number;
  readonly uncompressedLength?: number;
}): number {
  return blob.uncompressedLength ?? Math.max(0, blob.length - boxOverheadBytes);
}

/**
 * Decodes a range. A blob that fails leaves its place in the target undefined and is named in the answer.
 * I6: the others are written into their files, once they are verified.
 *
 * @param target Where plain bytes go; without one they are only checked
 */
export function decodeBlobs(key: MasterKey, task: DecodeTask, target?: Uint8Array): readonly DecodeFailure[] {
  const failures: DecodeFailure[] = [];
  decodeFrom(key, new Pieces(task.pieces), task.blobs, target, failures);
  for (const piece of task.pieces) if (ownsBuffer(piece)) free(piece);
  return failures;
}

/** The same of a part of a file. Throws what the file system says where the file cannot be read. */
export function decodeFile(key: MasterKey, task: FileTask, target?: Uint8Array): readonly DecodeFailure[] {
  using file = new PackFile(task.part);
  const failures: DecodeFailure[] = [];
  decodeFrom(key, file, task.blobs, target, failures);
  return failures;
}

/** Bytes as they are stored. */
interface StoredBytes {
  /** Valid until the next call; fewer where they end. */
  slice(offset: number, length: number): Uint8Array;
}

function decodeFrom(
  key: MasterKey,
  stored: StoredBytes,
  blobs: readonly BlobToDecode[],
  target: Uint8Array | undefined,
  failures: DecodeFailure[],
): void {
  for (const [index, blob] of blobs.entries()) {
    const length = plainLengthOf(blob);
    const place = target?.subarray(blob.at, blob.at + length) ?? plainScratch.take(length);
    const box = stored.slice(blob.offset, blob.length);
    const state =
      blob.to === undefined ? decodeOne(key, box, blob, place) : decodeContent(key, box, blob, place);
    if (state !== undefined) failures.push({ index, state });
    else for (const to of blob.to ?? []) writeData(to, place);
  }
}

/** What is wrong with a blob in its envelope; undefined where it is whole. */
export function checkBlob(key: MasterKey, box: Uint8Array, blob: BlobToDecode): string | undefined {
  return decodeOne(key, box, blob, plainScratch.take(plainLengthOf(blob)));
}

/** The plain bytes of a blob in its envelope, verified; undefined where it is not whole. */
export function takeBlob(key: MasterKey, box: Uint8Array, blob: NamedBlob): Uint8Array | undefined {
  const plain = Buffer.allocUnsafeSlow(plainLengthOf(blob));
  return decodeOne(key, box, blob, plain) === undefined ? plain : undefined;
}

/**
 * As {@link decodeOne}, for what goes into a restored file. I6: its SHA-256 comes from a tree that passed its MAC and
 * its own, and says of every byte what the MAC of the blob could say. So that is left out where nothing but the
 * hash sees the bytes before they are compared; wherever it is not as it should be, the MAC has the first word.
 */
function decodeContent(
  key: MasterKey,
  box: Uint8Array,
  blob: NamedBlob,
  place: Uint8Array,
): string | undefined {
  return isStoredContent(key, box, blob, place) ? undefined : decodeOne(key, box, blob, place);
}

/** Whether `place` holds the blob now, which is not compressed: no decoder may see what has no MAC. */
function isStoredContent(key: MasterKey, box: Uint8Array, blob: NamedBlob, place: Uint8Array): boolean {
  if (blob.uncompressedLength !== undefined || box.length !== blob.length) return false;
  try {
    return describeDifference(place.subarray(0, decryptUnproven(key, box, place)), blob) === undefined;
  } catch (error) {
    if (!isBackupError(error, "damaged")) throw error;
    return false;
  }
}

/** What is wrong; undefined where `place` holds the blob. */
function decodeOne(key: MasterKey, box: Uint8Array, blob: NamedBlob, place: Uint8Array): string | undefined {
  if (box.length !== blob.length) return `the pack ends ${blob.length - box.length} bytes too early for it`;
  try {
    if (blob.uncompressedLength === undefined) {
      return describeDifference(place.subarray(0, openBoxInto(key, box, place)), blob);
    }
    return openCompressed(key, box, blob, place);
  } catch (error) {
    if (!isBackupError(error, "damaged")) throw error;
    return stateOf(error);
  }
}

function openCompressed(
  key: MasterKey,
  box: Uint8Array,
  blob: NamedBlob,
  place: Uint8Array,
): string | undefined {
  const opened = openedScratch.take(box.length);
  let stored: StoredFrame | undefined;
  const length = openBoxInPieces(key, box, (plain, at) => {
    const begun = at === 0 ? StoredFrame.begin(plain, place) : undefined;
    stored ??= begun?.frame;
    if (stored === undefined) opened.set(plain, at);
    else stored.push(begun?.rest ?? plain);
  });
  if (stored?.isComplete === true && describeDifference(place, blob) === undefined) return undefined;
  // Its first blocks were stored as they are, and later ones were not.
  if (stored !== undefined) openBoxInto(key, box, opened);
  return decompressChecked(opened.subarray(0, length), blob, place);
}

/** Only what the public decoder says of a blob counts as damage. */
function decompressChecked(frame: Uint8Array, blob: NamedBlob, place: Uint8Array): string | undefined {
  if (decompressInto(frame, place) && describeDifference(place, blob) === undefined) return undefined;
  const plain = decompress(frame, place.length);
  const state = describeDifference(plain, blob);
  if (state === undefined) place.set(plain);
  return state;
}

/**
 * The plain bytes of an envelope, not yet compared with their hash.
 *
 * @throws {BackupError} `damaged`
 */
export function openBlob(
  key: MasterKey,
  box: Uint8Array,
  blob: Pick<BlobToDecode, "uncompressedLength">,
): Buffer {
  const opened = openBox(key, box);
  if (blob.uncompressedLength === undefined) return opened;
  const plain = decompress(opened, blob.uncompressedLength);
  free(opened);
  return plain;
}

/** What tells plain bytes from those the blob's name and place promise; undefined where nothing does. */
export function describeDifference(plain: Uint8Array, blob: NamedBlob): string | undefined {
  const wanted = plainLengthOf(blob);
  if (plain.length !== wanted) return `it has ${plain.length} bytes, wanted ${wanted}`;
  const found = hash("sha256", plain, "hex");
  return found === blob.id ? undefined : `its SHA-256 is ${found}`;
}

/** The part of a message that follows the name of what failed. */
export function stateOf(error: unknown): string {
  return errorText(error).replace(/^[^:]*: /, "");
}

/** Gives memory back now. The bytes must belong to nobody else. */
function free(bytes: Uint8Array): void {
  if (bytes.byteLength >= freedBytesMin) (bytes.buffer as ArrayBuffer).transfer(0);
}

/** Whether these bytes are all of their buffer, which therefore may be moved to a thread, or freed. */
export function ownsBuffer(bytes: Uint8Array): boolean {
  return bytes.buffer instanceof ArrayBuffer && bytes.byteLength === bytes.buffer.byteLength;
}

/** Bytes that came in pieces. */
class Pieces implements StoredBytes {
  readonly #pieces: readonly Uint8Array[];
  /** The piece the last slice began in, and where it begins: slices come in order. */
  #current = 0;
  #start = 0;

  constructor(pieces: readonly Uint8Array[]) {
    this.#pieces = pieces;
  }

  /** The bytes there, valid until the next slice; fewer where the pieces end. */
  slice(offset: number, length: number): Uint8Array {
    if (offset < this.#start) {
      this.#current = 0;
      this.#start = 0;
    }
    let piece = this.#pieces[this.#current];
    while (piece !== undefined && offset >= this.#start + piece.length) {
      this.#start += piece.length;
      this.#current++;
      piece = this.#pieces[this.#current];
    }
    if (piece === undefined) return new Uint8Array();
    const at = offset - this.#start;
    if (at + length <= piece.length) return piece.subarray(at, at + length);
    return this.#gather(at, length);
  }

  #gather(start: number, length: number): Uint8Array {
    const scratch = boxScratch.take(length);
    let done = 0;
    let at = start;
    for (let i = this.#current; done < length && i < this.#pieces.length; i++, at = 0) {
      const part = this.#pieces[i]?.subarray(at, at + length - done) ?? new Uint8Array();
      scratch.set(part, done);
      done += part.length;
    }
    return scratch.subarray(0, done);
  }
}

/** Scratch grows by so much at least, so that it does not for every blob that is larger by some bytes. */
const scratchStepBytes = 1024 * 1024;

/** Memory that is used for one blob after the other, as large as the largest was. */
class Scratch {
  #bytes: Uint8Array = new Uint8Array();

  /** Valid until the next call. */
  take(length: number): Uint8Array {
    if (this.#bytes.length < length) {
      // The collector would see the old ones late.
      free(this.#bytes);
      this.#bytes = new Uint8Array(Math.ceil(length / scratchStepBytes) * scratchStepBytes);
    }
    return this.#bytes.subarray(0, length);
  }
}

/** Of this thread: an envelope that lies across pieces, what is inside one, and what that decodes to. */
const boxScratch = new Scratch();
const openedScratch = new Scratch();
const plainScratch = new Scratch();
