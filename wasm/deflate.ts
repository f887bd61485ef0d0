/**
 * Deflate (RFC 1951) of at most 1 MiB at once, faster than zlib at about the size of gzip's default.
 *
 * Matches are at least 4 bytes long: those of 3 cost speed and, in text, size. Every place is entered in two
 * hash tables: one gives the nearest place with the same 4 bytes, the other heads a chain of those with
 * the same 5. A chain is followed a few steps, and more as soon as 8 bytes match. A match is held back while
 * the next place may have a better one.
 *
 * Places are kept as the low 16 bits of their addresses; a distance that comes out beyond the window or
 * before the start is no candidate, and whatever a stale one points to is compared like any other.
 *
 * @module
 */

import {
  addPiece,
  beginBlocks,
  blockOutput,
  endBlocks,
  prepareBlocks,
  startPiece,
  takeMatch,
  takeTail,
} from "./deflate-block.ts";

/** Bytes taken at once. */
const inputBytesMax: usize = 1 << 20;
const windowBytes: u32 = 32768;
const windowMask: usize = windowBytes - 1;
const matchBytesMax: u32 = 258;

// Found by trial on the bench's text, source code, JSON, databases and programs.
const stepsMax: u32 = 4;
const stepsMaxHeld: u32 = 2;
/** Further steps for matches of 8 bytes and more, which are worth them. */
const moreSteps: u32 = 6;
/** A match of so many bytes is not held back. */
const heldBytesMax: u32 = 16;
/** A match of so many bytes ends a search. */
const niceBytes: u32 = 64;
/** What a byte more is worth, in bits of distance, and what the next place must gain for its literal. */
const byteWorth: i32 = 6;
const gainMin: i32 = 3;

/** A piece, after which the block may end, is at most this many matches or bytes. */
const pieceMatchesMax: u32 = 1000;
const pieceBytesMax: usize = 20000;

const hash4Bits: u32 = 15;
const hash5Bits: u32 = 17;
const head4: usize = memory.data(1 << 16, 64);
const head5: usize = memory.data(1 << 18, 64);
/** For each place in the window the one before it in its chain. */
const before: usize = memory.data(1 << 16, 64);

/** Where the host puts the input; 8 bytes behind it are written. */
export const input: usize = (__heap_base + 63) & ~63;
/** Where the output is, as much as was allowed, and 16 bytes more. */
export const output: usize = input + inputBytesMax + 64;

/** Builds the tables that do not depend on input. To be called once. */
export function prepare(): void {
  prepareBlocks();
}

/** Compresses `length` bytes at `input`. Returns the bytes written at `output`, 0 if they would exceed `allowed`. */
export function compress(length: usize, allowed: usize): usize {
  // Zero is a place far before the input.
  memory.fill(head4, 0, 1 << (hash4Bits + 1));
  memory.fill(head5, 0, 1 << (hash5Bits + 1));
  // The last places are hashed with what lies behind them, which must not depend on earlier inputs.
  store<u64>(input + length, 0);
  const end = input + length;
  beginBlocks(input, output, allowed);
  let at = input;
  do {
    at = parsePiece(at, end);
    if (!addPiece(at)) return 0;
  } while (at < end);
  return endBlocks(at) ? blockOutput() - output : 0;
}

/** Finds the matches of the next piece; returns where it ends. */
function parsePiece(start: usize, end: usize): usize {
  // A match does not start in the last bytes.
  const searchEnd = end - min(<usize>4, end - start);
  const stop = min(searchEnd, start + pieceBytesMax);
  let at = start;
  let literals = start;
  let left = pieceMatchesMax;
  startPiece();
  while (at < stop) {
    let match = find<First>(at, end, false);
    if (match === 0) {
      at++;
      continue;
    }
    let entered = at + 1;
    while (match < heldBytesMax << 16 && entered < searchEnd) {
      // Four bytes instead of five are never better.
      const next = find<Next>(entered++, end, match >= 5 << 16);
      if (!isBetter(next, match)) break;
      match = next;
      at = entered - 1;
    }
    const bytes = min(match >> 16, <u32>(end - at));
    takeMatch(literals, at, bytes, 0xffff - (match & 0xffff));
    at += bytes;
    literals = at;
    enter(entered, min(at, searchEnd));
    if (--left === 0) break;
  }
  if (at >= searchEnd) at = end;
  takeTail(literals, at);
  return at;
}

/** Whether a literal and then `next`, if any, is better than `held`. Both are length << 16 | 0xffff - distance. */
function isBetter(next: u32, held: u32): bool {
  if (next === 0) return false;
  const bytes = <i32>(next >> 16) - <i32>(held >> 16);
  // Leading zeros stand for the bits of a distance.
  const bits = <i32>clz(0xffff - (next & 0xffff)) - <i32>clz(0xffff - (held & 0xffff));
  return bytes * byteWorth + bits >= gainMin;
}

/** Where a search is made: each is compiled for itself, so that the processor learns the branches of each. */
class First {}
class Next {}

/** Enters the place `at` and returns its best match, length << 16 | 0xffff - distance; 0 for none. */
function find<Place>(at: usize, end: usize, onlyLong: bool): u32 {
  const steps = idof<Place>() === idof<First>() ? stepsMax : stepsMaxHeld;
  const word = load<u64>(at);
  const slot4 = head4 + hash4(word);
  const slot5 = head5 + hash5(word);
  const last4 = <u32>load<u16>(slot4);
  const last5 = <u32>load<u16>(slot5);
  store<u16>(slot4, <u16>at);
  store<u16>(slot5, <u16>at);
  store<u16>(before + ((at & windowMask) << 1), <u16>last5);
  const distanceMax = min(<u32>(at - input), windowBytes);
  let best: u32 = 0;
  let distance = (<u32>at - last5) & 0xffff;
  let left = steps;
  while (distance - 1 < distanceMax) {
    const place = at - distance;
    const differing = load<u64>(place) ^ word;
    if (differing === 0) return findLong(at, distance, distanceMax, left + moreSteps, end);
    // Of two as long the first, which is nearer, is the larger number.
    best = max(best, ((<u32>ctz(differing) & 0x38) << 13) + 0xffff - distance);
    if (--left === 0) break;
    distance += (<u32>place - load<u16>(before + ((place & windowMask) << 1))) & 0xffff;
  }
  if (best >= 5 << 16) return best;
  const nearest = (<u32>at - last4) & 0xffff;
  if (onlyLong || nearest - 1 >= distanceMax) return 0;
  return load<u32>(at - nearest) === <u32>word ? (4 << 16) + 0xffff - nearest : 0;
}

/** {@link find} from the first place on at which 8 bytes match. */
function findLong(at: usize, first: u32, distanceMax: u32, steps: u32, end: usize): u32 {
  const bytesMax = min(<u32>(end - at), matchBytesMax);
  let best: u32 = 7;
  let bestDistance: u32 = first;
  let distance = first;
  let left = steps;
  // The last bytes of a longer match differ first.
  let tail = load<u32>(at + best - 3);
  while (distance - 1 < distanceMax) {
    const place = at - distance;
    if (load<u32>(place + best - 3) === tail) {
      const bytes = matchBytes(at, place, bytesMax);
      if (bytes > best) {
        best = bytes;
        bestDistance = distance;
        if (bytes >= min(niceBytes, bytesMax)) break;
        tail = load<u32>(at + best - 3);
      }
    }
    if (--left === 0) break;
    distance += (<u32>place - load<u16>(before + ((place & windowMask) << 1))) & 0xffff;
  }
  return (best << 16) + 0xffff - bestDistance;
}

/** How many bytes are the same at both places, at most `bytesMax`. */
function matchBytes(a: usize, b: usize, bytesMax: u32): u32 {
  let i: u32 = 0;
  do {
    const differing = load<u64>(a + i) ^ load<u64>(b + i);
    if (differing !== 0) return min(bytesMax, i + (<u32>ctz(differing) >> 3));
    i += 8;
  } while (i < bytesMax);
  return bytesMax;
}

/** Enters the places inside of a match. */
function enter(from: usize, to: usize): void {
  for (let at = from; at < to; at++) {
    const word = load<u64>(at);
    const slot5 = head5 + hash5(word);
    store<u16>(head4 + hash4(word), <u16>at);
    store<u16>(before + ((at & windowMask) << 1), load<u16>(slot5));
    store<u16>(slot5, <u16>at);
  }
}

function hash4(word: u64): usize {
  return (<usize>((<u32>word * 0x9e3779b1) >> (32 - hash4Bits))) << 1;
}

function hash5(word: u64): usize {
  return (<usize>(((word << 24) * 0x9e3779b185ebca87) >> (64 - hash5Bits))) << 1;
}
