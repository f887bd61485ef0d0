/**
 * Areas that the parts of deflate share, and RFC 1951's tables of lengths and distances.
 *
 * @module
 */

/** Two of them never come, but count in fixed codes. */
export const literalCount: u32 = 288;
export const distanceCount: u32 = 30;

/** Code lengths, one byte each. */
export const literalBits: usize = memory.data(288, 64);
export const distanceBits: usize = memory.data(32, 64);
/** Codes as they are written, lowest bit first: code | bits << 24. */
export const literalCodes: usize = memory.data(288 * 4, 64);
export const distanceCodes: usize = memory.data(32 * 4, 64);

/** By length of a match: the symbol above 256, and by symbol its least length and its extra bits. */
const lengthSymbols: usize = memory.data(264, 64);
const lengthBases: usize = memory.data(29 * 2, 64);
const lengthExtras: usize = memory.data(32, 64);
const lastLengthSymbol: u32 = 28;

export function prepareTables(): void {
  let length: u32 = 3;
  for (let symbol: u32 = 0; symbol < lastLengthSymbol; symbol++) {
    const extra: u32 = symbol < 8 ? 0 : (symbol - 4) >> 2;
    setLength(symbol, length, extra);
    const next = length + (1 << extra);
    for (; length < next && length < 258; length++) store<u8>(lengthSymbols + length, <u8>symbol);
  }
  // The longest has a symbol of its own.
  setLength(lastLengthSymbol, 258, 0);
  store<u8>(lengthSymbols + 258, <u8>lastLengthSymbol);
}

function setLength(symbol: u32, base: u32, extra: u32): void {
  store<u16>(lengthBases + (symbol << 1), <u16>base);
  store<u8>(lengthExtras + symbol, <u8>extra);
}

/** The symbol of a length, less 257. */
export function lengthSymbol(length: u32): u32 {
  return load<u8>(lengthSymbols + length);
}

export function lengthBase(symbol: u32): u32 {
  return load<u16>(lengthBases + (symbol << 1));
}

/** Bits that follow a symbol of literals, the end and lengths. */
export function extraLengthBits(symbol: u32): u32 {
  return symbol > 256 ? load<u8>(lengthExtras + symbol - 257) : 0;
}

/** The symbol of a distance: two for every power of two. */
export function distanceSlot(distance: u32): u32 {
  const from0 = distance - 1;
  if (from0 < 2) return from0;
  const power: u32 = 31 - clz(from0);
  return (power << 1) + ((from0 >> (power - 1)) & 1);
}

export function extraDistanceBits(slot: u32): u32 {
  return slot < 4 ? 0 : (slot >> 1) - 1;
}
