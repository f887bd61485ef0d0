/**
 * Writes the bytes of a blob to their place in an open file, whoever writes next to it at
 * the same time. Long runs of zeros are left as holes, so that a sparse disk image takes no
 * more room restored than it did before. Synchronous, for threads.
 *
 * @module
 */

import { writeSync } from "node:fs";
import { errorText } from "../../../domain/error.ts";

/** A place in a file that somebody holds open for writing. */
export interface Destination {
  /** Of this process: threads share them. */
  readonly descriptor: number;
  readonly position: number;
}

/** What is known of bytes that the file system refused; plain, so that threads can hand it on. */
export interface UnwrittenFacts {
  readonly descriptor: number;
  readonly message: string;
  /** As Node names it, e.g. `ENOSPC`. */
  readonly code: string;
}

/** Raised where the file system takes no bytes. Internal to reading: whoever holds the file open says it in better words. */
export class UnwrittenError extends Error {
  override readonly name = "UnwrittenError";
  readonly facts: UnwrittenFacts;
  readonly code: string;

  constructor(facts: UnwrittenFacts, options?: ErrorOptions) {
    super(facts.message, options);
    this.facts = facts;
    this.code = facts.code;
  }
}

/** What file systems give room to at once. A hole can begin and end only between such pieces. */
const pieceBytes = 4096;

/** Shorter runs of zeros are written: a hole costs an extent, and reading across many is slow. */
const holeBytesMin = 64 * 1024;

const zeros = Buffer.alloc(holeBytesMin);

/**
 * Writes all of `bytes`, but for holes. The last piece is always written, so that the file is at
 * least as long as the bytes reach.
 *
 * @throws {UnwrittenError}
 */
export function writeData({ descriptor, position }: Destination, bytes: Uint8Array): void {
  let start = 0;
  for (const hole of holesIn(bytes, position)) {
    writeAll(descriptor, bytes.subarray(start, hole.start), position + start);
    start = hole.end;
  }
  writeAll(descriptor, bytes.subarray(start), position + start);
}

interface Hole {
  readonly start: number;
  readonly end: number;
}

/** Runs of zeros that are left out, between pieces of the file that `bytes` lie in from `position` on. */
function* holesIn(bytes: Uint8Array, position: number): Generator<Hole> {
  const firstPiece = (pieceBytes - (position % pieceBytes)) % pieceBytes;
  // At least one byte stays behind the last hole.
  const end = firstPiece + Math.floor(Math.max(0, bytes.length - 1 - firstPiece) / pieceBytes) * pieceBytes;
  for (let at = firstPiece; at + holeBytesMin <= end; ) {
    // A hole that holds none of the places looked at is too short: nearly all data is told by one byte in so many.
    const middle = at + holeBytesMin - pieceBytes;
    if (bytes[middle] !== 0 || !isZero(bytes, middle, pieceBytes)) {
      at = middle + pieceBytes;
      continue;
    }
    const start = startOfZeros(bytes, at, middle);
    const stop = endOfZeros(bytes, middle, end);
    if (stop - start >= holeBytesMin) yield { start, end: stop };
    at = stop + pieceBytes;
  }
}

/** The first piece of the zeros that `middle` lies in, not before `from`. */
function startOfZeros(bytes: Uint8Array, from: number, middle: number): number {
  let start = middle;
  while (start > from && isZero(bytes, start - pieceBytes, pieceBytes)) start -= pieceBytes;
  return start;
}

function endOfZeros(bytes: Uint8Array, middle: number, end: number): number {
  let stop = middle;
  while (stop < end && isZero(bytes, stop, pieceBytes)) stop += pieceBytes;
  return stop;
}

function isZero(bytes: Uint8Array, start: number, length: number): boolean {
  // Spares the call mostly.
  if (bytes[start] !== 0) return false;
  return zeros.compare(bytes, start, start + length, 0, length) === 0;
}

/** One call may take only a part, on a disk that is nearly full for example. */
function writeAll(descriptor: number, bytes: Uint8Array, position: number): void {
  let done = 0;
  try {
    while (done < bytes.length) {
      done += writeSync(descriptor, bytes, done, bytes.length - done, position + done);
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    throw new UnwrittenError({ descriptor, message: errorText(error), code }, { cause: error });
  }
}
