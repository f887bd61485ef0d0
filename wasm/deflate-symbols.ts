/**
 * Writes the bits of deflate: 64 at a time are gathered, whole bytes of them leave.
 *
 * @module
 */

import {
  distanceCodes,
  distanceSlot,
  extraDistanceBits,
  extraLengthBits,
  lengthBase,
  lengthSymbol,
  literalCodes,
} from "./deflate-tables.ts";

const storedBytesMax: usize = 65535;
/** By length of a match: its code with the bits that follow it, as in `literalCodes`. */
const lengthCodes: usize = memory.data(260 * 4, 64);

let nextByte: usize = 0;
let bits: u64 = 0;
/** Less than 8 after `flushBits`, so that 56 more have room. */
let bitCount: u64 = 0;

export function startBits(output: usize): void {
  nextByte = output;
  bits = 0;
  bitCount = 0;
}

/** Where the next whole byte goes. */
export function bitsEnd(): usize {
  return nextByte;
}

export function putBits(value: u64, count: u64): void {
  bits |= value << bitCount;
  bitCount += count;
}

export function flushBits(): void {
  store<u64>(nextByte, bits);
  nextByte += <usize>(bitCount >> 3);
  bits >>= bitCount & 56;
  bitCount &= 7;
}

/** Fills the last byte. */
export function endBits(): void {
  bitCount = (bitCount + 7) & ~7;
  flushBits();
}

/** The bytes from `from` to `to` as they are, at least one block. */
export function putStored(from: usize, to: usize, final: bool): void {
  let at = from;
  do {
    const length = min(storedBytesMax, to - at);
    putBits(final && at + length === to ? 1 : 0, 3);
    endBits();
    store<u16>(nextByte, <u16>length);
    store<u16>(nextByte, <u16>~length, 2);
    memory.copy(nextByte + 4, at, length);
    nextByte += 4 + length;
    at += length;
  } while (at < to);
}

/** Joins the codes of lengths with their extra bits. */
export function prepareSymbols(): void {
  for (let length: u32 = 3; length <= 258; length++) {
    const symbol = lengthSymbol(length);
    const code = load<u32>(literalCodes + ((257 + symbol) << 2));
    const count = code >> 24;
    const joined = (code & 0xffffff) | ((length - lengthBase(symbol)) << count);
    store<u32>(lengthCodes + (length << 2), joined | ((count + extraLengthBits(257 + symbol)) << 24));
  }
}

/** Writes the symbols of `records` up to `to`; their literals are in the input at `start`. */
export function putSymbols(start: usize, records: usize, to: usize): void {
  let out = nextByte;
  let buffer = bits;
  let filled = bitCount;
  let at = start;
  for (let record = records; record < to; record += 8) {
    const literals = load<u32>(record);
    const match = load<u32>(record, 4);
    const literalsEnd = at + literals;
    // A literal has at most 14 bits: four fit.
    for (; at + 4 <= literalsEnd; at += 4) {
      for (let i: usize = 0; i < 4; i++) {
        const code = load<u32>(literalCodes + ((<usize>load<u8>(at + i)) << 2));
        buffer |= (<u64>(code & 0xffffff)) << filled;
        filled += code >> 24;
      }
      store<u64>(out, buffer);
      out += <usize>(filled >> 3);
      buffer >>= filled & 56;
      filled &= 7;
    }
    for (; at < literalsEnd; at++) {
      const code = load<u32>(literalCodes + ((<usize>load<u8>(at)) << 2));
      buffer |= (<u64>(code & 0xffffff)) << filled;
      filled += code >> 24;
    }
    // Up to three literals are still there.
    store<u64>(out, buffer);
    out += <usize>(filled >> 3);
    buffer >>= filled & 56;
    filled &= 7;
    if (match === 0) continue;
    const distance = match & 0xffff;
    const slot = distanceSlot(distance);
    const extra = extraDistanceBits(slot);
    const lengthCode = load<u32>(lengthCodes + ((match >> 16) << 2));
    const distanceCode = load<u32>(distanceCodes + (slot << 2));
    // At most 14 + 5 + 15 + 13 bits.
    buffer |= (<u64>(lengthCode & 0xffffff)) << filled;
    filled += lengthCode >> 24;
    buffer |= (<u64>(distanceCode & 0xffffff)) << filled;
    filled += distanceCode >> 24;
    buffer |= (<u64>((distance - 1) & ((1 << extra) - 1))) << filled;
    filled += extra;
    store<u64>(out, buffer);
    out += <usize>(filled >> 3);
    buffer >>= filled & 56;
    filled &= 7;
    at += match >> 16;
  }
  nextByte = out;
  bits = buffer;
  bitCount = filled;
  const end = load<u32>(literalCodes + (256 << 2));
  putBits(end & 0xffffff, end >> 24);
  flushBits();
}
