/**
 * Blocks of deflate: what stands in them, where one ends, and which of the three kinds it is.
 *
 * Input comes in pieces. A piece joins the block before it unless two blocks, each with codes of its own, are smaller.
 *
 * @module
 */

import { entropyBits, makeCodes, makeLengths, prepareEntropy } from "./deflate-huffman.ts";
import {
  bitsEnd,
  endBits,
  flushBits,
  prepareSymbols,
  putBits,
  putStored,
  putSymbols,
  startBits,
} from "./deflate-symbols.ts";
import {
  distanceBits,
  distanceCodes,
  distanceCount,
  distanceSlot,
  extraDistanceBits,
  extraLengthBits,
  lengthSymbol,
  literalBits,
  literalCodes,
  literalCount,
  prepareTables,
} from "./deflate-tables.ts";

/** A block is at most this many pieces, which the area of matches must hold. */
const piecesMax: u32 = 20;
/** What a block of its own must save: about the size of its codes. */
const blockBitsMin: u64 = 600;
const literalBitsMax: u32 = 14;
const distanceBitsMax: u32 = 15;
const headerBitsMax: u32 = 7;
const headerSymbols: u32 = 19;
const endOfBlock: usize = 256;
const storedBytesMax: usize = 65535;

/** How often each symbol comes: of the block, and of its last piece. Distances follow literals and lengths. */
const countsBytes: usize = 320 * 4;
const blockCounts: usize = memory.data(1280, 64);
const pieceCounts: usize = memory.data(1280, 64);
const distancesAt: usize = 288 * 4;

/** Of the block and a further piece, each at most 1,001. 8 bytes a record: how many literals, then length << 16 | distance of the match after them, 0 for none. */
const records: usize = memory.data(21 * 1001 * 8, 64);
const headerCounts: usize = memory.data(19 * 4, 64);
const headerLengths: usize = memory.data(32, 64);
const headerCodes: usize = memory.data(19 * 4, 64);
const allLengths: usize = memory.data(320, 64);
/** Code lengths in runs: symbol | extra << 8. */
const runs: usize = memory.data(320 * 2, 64);
const headerOrder: usize = memory.data<u8>([
  16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
]);

let blockStart: usize = 0;
let pieceStart: usize = 0;
let pieceRecords: usize = 0;
let recordsEnd: usize = 0;
let pieces: u32 = 0;
let blockBits: u64 = 0;
let runCount: u32 = 0;
let outputEnd: usize = 0;

export function prepareBlocks(): void {
  prepareTables();
  prepareEntropy();
}

export function beginBlocks(input: usize, output: usize, allowed: usize): void {
  startBits(output);
  outputEnd = output + allowed;
  blockStart = pieceStart = input;
  pieceRecords = recordsEnd = records;
  pieces = 0;
}

/** Where the output ends. */
export function blockOutput(): usize {
  return bitsEnd();
}

export function startPiece(): void {
  memory.fill(pieceCounts, 0, countsBytes);
}

/** Takes the literals from `literals` to `at`, and the match there. */
export function takeMatch(literals: usize, at: usize, bytes: u32, distance: u32): void {
  countLiterals(literals, at);
  store<u32>(recordsEnd, <u32>(at - literals));
  store<u32>(recordsEnd, (bytes << 16) | distance, 4);
  recordsEnd += 8;
  count(pieceCounts + ((<usize>(257 + lengthSymbol(bytes))) << 2));
  count(pieceCounts + distancesAt + ((<usize>distanceSlot(distance)) << 2));
}

/** Takes the literals after the last match of a piece. */
export function takeTail(literals: usize, at: usize): void {
  if (literals === at) return;
  countLiterals(literals, at);
  store<u32>(recordsEnd, <u32>(at - literals));
  store<u32>(recordsEnd, 0, 4);
  recordsEnd += 8;
}

function countLiterals(from: usize, to: usize): void {
  for (let at = from; at < to; at++) count(pieceCounts + ((<usize>load<u8>(at)) << 2));
}

function count(at: usize): void {
  store<u32>(at, load<u32>(at) + 1);
}

/** Ends the piece at `at`: it joins the block, or the block ends before it. False where output has no room. */
export function addPiece(at: usize): bool {
  const pieceBits = bitsOf(pieceCounts);
  if (pieces !== 0 && pieces < piecesMax) {
    addCounts(1);
    const joined = bitsOf(blockCounts);
    if (joined <= blockBits + pieceBits + blockBitsMin) {
      blockBits = joined;
      pieces++;
      pieceStart = at;
      pieceRecords = recordsEnd;
      return true;
    }
    addCounts(-1);
  }
  if (pieces !== 0) {
    if (!writeBlock(pieceStart, pieceRecords, false)) return false;
    const bytes = recordsEnd - pieceRecords;
    memory.copy(records, pieceRecords, bytes);
    recordsEnd = records + bytes;
    blockStart = pieceStart;
  }
  memory.copy(blockCounts, pieceCounts, countsBytes);
  blockBits = pieceBits;
  pieces = 1;
  pieceStart = at;
  pieceRecords = recordsEnd;
  return true;
}

/** Writes the last block. False where output has no room. */
export function endBlocks(at: usize): bool {
  if (!writeBlock(at, recordsEnd, true)) return false;
  endBits();
  return true;
}

function addCounts(sign: i32): void {
  const factor = i32x4.splat(sign);
  for (let i: usize = 0; i < countsBytes; i += 16) {
    const more = i32x4.mul(v128.load(pieceCounts + i), factor);
    v128.store(blockCounts + i, i32x4.add(v128.load(blockCounts + i), more));
  }
}

function bitsOf(counts: usize): u64 {
  return entropyBits(counts, 288) + entropyBits(counts + distancesAt, 32);
}

/** Writes the block up to `end` in the smallest of the three ways. */
function writeBlock(end: usize, to: usize, final: bool): bool {
  const distanceCounts = blockCounts + distancesAt;
  count(blockCounts + (endOfBlock << 2));
  makeLengths(blockCounts, literalCount, literalBitsMax, literalBits);
  makeLengths(distanceCounts, distanceCount, distanceBitsMax, distanceBits);
  const literals = lastUsed(literalBits, literalCount, 257);
  const distances = lastUsed(distanceBits, distanceCount, 1);
  const dynamic = planHeader(literals, distances) + symbolBits();
  const bytes = end - blockStart;
  const stored = ((<u64>bytes) << 3) + 40 * <u64>(bytes / storedBytesMax + 1);
  const fixed = fixedBits() + 3;
  const smallest = min(stored, min(fixed, dynamic));
  // Before the first bit and after the last there may be parts of a byte.
  if (bitsEnd() + <usize>(smallest >> 3) + 2 > outputEnd) return false;
  if (smallest === stored) {
    putStored(blockStart, end, final);
    return true;
  }
  if (smallest === fixed) {
    putBits(<u64>final | (1 << 1), 3);
    flushBits();
    setFixedLengths();
  } else {
    putBits(<u64>final | (2 << 1), 3);
    putHeader(literals, distances);
  }
  makeCodes(literalBits, literalCount, literalCodes);
  makeCodes(distanceBits, distanceCount, distanceCodes);
  prepareSymbols();
  putSymbols(blockStart, records, to);
  return true;
}

function lastUsed(lengths: usize, most: u32, least: u32): u32 {
  let used = most;
  while (used > least && load<u8>(lengths + used - 1) === 0) used--;
  return used;
}

/** Bits of all symbols under the lengths that were made, with what follows them. */
function symbolBits(): u64 {
  let sum: u64 = 0;
  for (let i: u32 = 0; i < literalCount; i++) {
    sum += <u64>load<u32>(blockCounts + (i << 2)) * (load<u8>(literalBits + i) + extraLengthBits(i));
  }
  for (let i: u32 = 0; i < distanceCount; i++) {
    const bits = load<u8>(distanceBits + i) + extraDistanceBits(i);
    sum += <u64>load<u32>(blockCounts + distancesAt + (i << 2)) * bits;
  }
  return sum;
}

function fixedBits(): u64 {
  let sum: u64 = 0;
  for (let i: u32 = 0; i < literalCount; i++) {
    sum += <u64>load<u32>(blockCounts + (i << 2)) * (fixedLength(i) + extraLengthBits(i));
  }
  for (let i: u32 = 0; i < distanceCount; i++) {
    sum += <u64>load<u32>(blockCounts + distancesAt + (i << 2)) * (5 + extraDistanceBits(i));
  }
  return sum;
}

function fixedLength(symbol: u32): u32 {
  if (symbol < 144) return 8;
  if (symbol < 256) return 9;
  return symbol < 280 ? 7 : 8;
}

function setFixedLengths(): void {
  for (let i: u32 = 0; i < literalCount; i++) store<u8>(literalBits + i, <u8>fixedLength(i));
  memory.fill(distanceBits, 5, distanceCount);
}

/** Cuts the code lengths into runs and makes their codes; returns the bits of the whole header. */
function planHeader(literals: u32, distances: u32): u64 {
  memory.copy(allLengths, literalBits, literals);
  memory.copy(allLengths + literals, distanceBits, distances);
  memory.fill(headerCounts, 0, headerSymbols << 2);
  runCount = 0;
  const total = literals + distances;
  for (let i: u32 = 0; i < total; ) {
    const length = <u32>load<u8>(allLengths + i);
    let run: u32 = 1;
    while (i + run < total && <u32>load<u8>(allLengths + i + run) === length) run++;
    addRuns(length, run);
    i += run;
  }
  makeLengths(headerCounts, headerSymbols, headerBitsMax, headerLengths);
  let bits: u64 = 17 + 3 * headerLengthCount();
  for (let i: u32 = 0; i < headerSymbols; i++) {
    bits += load<u32>(headerCounts + (i << 2)) * (load<u8>(headerLengths + i) + extraRunBits(i));
  }
  return bits;
}

function addRuns(length: u32, count: u32): void {
  let left = count;
  if (length !== 0) {
    addRun(length, 0);
    left--;
  }
  while (left >= 3) {
    const most: u32 = length !== 0 ? 6 : left > 10 ? 138 : 10;
    const run = min(left, most);
    if (length !== 0) addRun(16, run - 3);
    else if (run > 10) addRun(18, run - 11);
    else addRun(17, run - 3);
    left -= run;
  }
  while (left > 0) {
    addRun(length, 0);
    left--;
  }
}

function addRun(symbol: u32, extra: u32): void {
  store<u16>(runs + (runCount << 1), <u16>(symbol | (extra << 8)));
  runCount++;
  count(headerCounts + (symbol << 2));
}

function extraRunBits(symbol: u32): u32 {
  if (symbol < 16) return 0;
  return symbol === 16 ? 2 : symbol === 17 ? 3 : 7;
}

function headerLengthCount(): u32 {
  let used = headerSymbols;
  while (used > 4 && load<u8>(headerLengths + load<u8>(headerOrder + used - 1)) === 0) used--;
  return used;
}

function putHeader(literals: u32, distances: u32): void {
  const lengths = headerLengthCount();
  putBits(<u64>(literals - 257) | ((<u64>(distances - 1)) << 5) | ((<u64>(lengths - 4)) << 10), 14);
  flushBits();
  for (let i: u32 = 0; i < lengths; i++) {
    putBits(load<u8>(headerLengths + load<u8>(headerOrder + i)), 3);
    flushBits();
  }
  makeCodes(headerLengths, headerSymbols, headerCodes);
  for (let i: u32 = 0; i < runCount; i++) {
    const run = <u32>load<u16>(runs + (i << 1));
    const symbol = run & 255;
    const code = load<u32>(headerCodes + (symbol << 2));
    putBits(code & 0xffffff, code >> 24);
    putBits(run >> 8, extraRunBits(symbol));
    flushBits();
  }
}
