/**
 * Where restic's chunker cuts: after a byte where the Rabin fingerprint of the last 64 bytes, a
 * polynomial over GF(2) modulo an irreducible one of degree 53, has 20 low bits of zero.
 *
 * Since only 64 bytes count, a stretch can be scanned from any place. So 16 places are scanned at once, one
 * in each byte of a vector: the fingerprints lie in seven vectors, the first holding the lowest byte
 * of all sixteen and so on. They are kept shifted left by 3, to 56 bits, so that what one step moves
 * out at the top is exactly the seventh vector. Multiplication by a constant is linear, so that its result for
 * a byte is the sum of those for its two halves, and for 16 values a vector instruction looks up.
 *
 * @module
 */

const windowBytes: usize = 64;
const cutMask: u64 = (1 << 20) - 1;
const lanes: usize = 16;
const vectorBytes: usize = 16;
const digestVectors: usize = 7;
const degree: u64 = 53;
const digestShift: u64 = 3;

/** Positions a lane scans in one go: long against its 65 bytes of preparation, short against a chunk. */
const laneLength: usize = 4096;
/** Fewer positions than this are scanned one by one. */
const fewPositions: usize = 1024;

/** What a byte does that leaves the window, for each of 256, and the remainder of what is shifted out. */
const outTable: usize = memory.data(2048, 64);
const modTable: usize = memory.data(2048, 64);
/** The same for vectors: by byte of the digest, 16 bytes for the low half and 16 for the high one. */
const outHalves: usize = memory.data(224, 64);
const modHalves: usize = memory.data(224, 64);
/** The last 128 bytes of all lanes, transposed: one vector for each step. */
const ring: usize = memory.data(2048, 64);
const ringMask: usize = 2047;
const groupBytes: usize = 256;
const scratch: usize = memory.data(256, 64);

/** First free address: the host puts what is to be chunked from here on. */
export const buffer: usize = (__heap_base + 63) & ~63;

/** Builds the tables for `polynomial`, which has degree 53. */
export function prepare(polynomial: u64): void {
  for (let byte: u64 = 0; byte < 256; byte++) {
    let out = byte;
    for (let i: usize = 0; i < windowBytes; i++) out = timesByte(out, polynomial);
    let rest = byte;
    // x^53 is x^5 times six whole bytes.
    for (let i: usize = 0; i < 6; i++) rest = timesByte(rest, polynomial);
    rest = timesX(rest, polynomial, 5);
    const at = (<usize>byte) << 3;
    store<u64>(outTable + at, out);
    store<u64>(modTable + at, rest);
  }
  spread(outTable, outHalves);
  spread(modTable, modHalves);
}

function timesByte(value: u64, polynomial: u64): u64 {
  return timesX(value, polynomial, 8);
}

function timesX(value: u64, polynomial: u64, times: u32): u64 {
  let product = value;
  for (let i: u32 = 0; i < times; i++) {
    product <<= 1;
    if (product >> degree !== 0) product ^= polynomial;
  }
  return product;
}

function spread(table: usize, halves: usize): void {
  for (let j: usize = 0; j < digestVectors; j++) {
    for (let value: usize = 0; value < 16; value++) {
      const low = load<u64>(table + (value << 3)) << digestShift;
      const high = load<u64>(table + (value << 7)) << digestShift;
      const at = halves + j * 2 * vectorBytes + value;
      store<u8>(at, <u8>(low >> ((<u64>j) << 3)));
      store<u8>(at + vectorBytes, <u8>(high >> ((<u64>j) << 3)));
    }
  }
}

/**
 * The first position from `first` to `last`, both included, at which a chunk may end: 0 if there
 * is none. The 65 bytes before `first` must be there too.
 */
export function scan(first: usize, last: usize): usize {
  let from = first;
  while (last + 1 - from >= fewPositions) {
    const each = min(laneLength, ((last + 1 - from) / lanes) & ~15);
    const cut = scanLanes(from, each);
    if (cut !== 0) return cut;
    from += each * lanes;
  }
  return from <= last ? scanSingly(from, last) : 0;
}

function scanSingly(first: usize, last: usize): usize {
  let digest: u64 = 0;
  for (let at = first - windowBytes; at < first - 1; at++) {
    digest = push(digest, load<u8>(at));
  }
  digest = push(digest, load<u8>(first - 1));
  if ((digest & cutMask) === 0) return first;
  for (let at = first; at < last; at++) {
    const out = load<u64>(outTable + ((<usize>load<u8>(at - windowBytes)) << 3));
    digest = push(digest, load<u8>(at)) ^ out;
    if ((digest & cutMask) === 0) return at + 1;
  }
  return 0;
}

function push(digest: u64, byte: u8): u64 {
  const top = <usize>(digest >> 45);
  return ((digest << 8) & ((1 << degree) - 1)) ^ byte ^ load<u64>(modTable + (top << 3));
}

/** {@link scan} over sixteen stretches of `each` positions, a multiple of 16, that lie one after the other. */
function scanLanes(first: usize, each: usize): usize {
  const start = first - windowBytes - 1;
  const groups = (each >> 4) + 4;
  const half = i8x16.splat(15);
  const lowBits = i8x16.splat(7);
  const twentieth = i8x16.splat(0x7f);
  let best: usize = 0;
  let settled = i8x16.splat(0);
  let d0 = i8x16.splat(0);
  let d1 = d0;
  let d2 = d0;
  let d3 = d0;
  let d4 = d0;
  let d5 = d0;
  let d6 = d0;
  memory.fill(ring, 0, 2048);
  for (let group: usize = 0; group < groups; group++) {
    const into = ring + ((group * groupBytes) & ringMask);
    const outOf = ring + (((group + 4) * groupBytes) & ringMask);
    transpose(start + group * 16, each, into);
    let least = i8x16.splat(-1);
    for (let step: usize = 0; step < groupBytes; step += vectorBytes) {
      const byte = v128.load(into + step);
      const out = v128.load(outOf + step);
      const a = v128.and(d6, half);
      const b = v128.and(i16x8.shr_u(d6, 4), half);
      const c = v128.and(out, half);
      const d = v128.and(i16x8.shr_u(out, 4), half);
      d6 = v128.xor(d5, look(a, b, c, d, 192));
      d5 = v128.xor(d4, look(a, b, c, d, 160));
      d4 = v128.xor(d3, look(a, b, c, d, 128));
      d3 = v128.xor(d2, look(a, b, c, d, 96));
      d2 = v128.xor(d1, look(a, b, c, d, 64));
      d1 = v128.xor(v128.xor(d0, v128.and(i16x8.shr_u(byte, 5), lowBits)), look(a, b, c, d, 32));
      d0 = v128.xor(v128.andnot(i16x8.shl(byte, 3), lowBits), look(a, b, c, d, 0));
      least = i8x16.min_u(least, v128.or(v128.or(d0, d1), v128.and(d2, twentieth)));
    }
    least = v128.or(least, settled);
    if (group >= 4 && !i8x16.all_true(least)) {
      const lane = <usize>ctz(i8x16.bitmask(i8x16.eq(least, i8x16.splat(0))));
      const position = first + lane * each + (group - 4) * 16;
      best = scanSingly(position, position + 15);
      if (lane === 0) return best;
      // Lanes from here on can only cut later.
      settled = i8x16.splat(0);
      for (let i = lane; i < lanes; i++) settled = v128.or(settled, laneOf(i));
    }
  }
  return best;
}

function look(a: v128, b: v128, c: v128, d: v128, at: usize): v128 {
  return v128.xor(
    v128.xor(
      i8x16.relaxed_swizzle(v128.load(modHalves + at), a),
      i8x16.relaxed_swizzle(v128.load(modHalves + at + vectorBytes), b),
    ),
    v128.xor(
      i8x16.relaxed_swizzle(v128.load(outHalves + at), c),
      i8x16.relaxed_swizzle(v128.load(outHalves + at + vectorBytes), d),
    ),
  );
}

/** All ones in one byte. */
function laneOf(lane: usize): v128 {
  const numbers = i8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  return i8x16.eq(numbers, i8x16.splat(<i8>lane));
}

/** 16 bytes of each lane, from `from` on at a distance of `each`, to 16 vectors with one byte of each lane. */
function transpose(from: usize, each: usize, into: usize): void {
  riffleTwice(from, each, scratch);
  riffleTwice(scratch, vectorBytes, into);
}

/** Two perfect shuffles of 16 vectors at a distance of `each`; four of them transpose. */
function riffleTwice(from: usize, each: usize, into: usize): void {
  for (let i: usize = 0; i < 4; i++) {
    const at = from + i * each;
    const a = v128.load(at);
    const b = v128.load(at + 4 * each);
    const c = v128.load(at + 8 * each);
    const d = v128.load(at + 12 * each);
    const ac = lowHalves(a, c);
    const bd = lowHalves(b, d);
    const acHigh = highHalves(a, c);
    const bdHigh = highHalves(b, d);
    const to = into + i * 64;
    v128.store(to, lowHalves(ac, bd));
    v128.store(to, highHalves(ac, bd), 16);
    v128.store(to, lowHalves(acHigh, bdHigh), 32);
    v128.store(to, highHalves(acHigh, bdHigh), 48);
  }
}

/** The first eight bytes of each, taking turns. */
function lowHalves(a: v128, b: v128): v128 {
  return v128.shuffle<u8>(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

/** The last eight bytes of each, taking turns. */
function highHalves(a: v128, b: v128): v128 {
  return v128.shuffle<u8>(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}
