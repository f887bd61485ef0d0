/**
 * Huffman codes: lengths from counts, limited; codes from lengths (RFC 1951, 3.2.2); and what a code will cost.
 *
 * @module
 */

/** Of the symbols in use: count << 9 | symbol, in ascending order. */
const used: usize = memory.data(320 * 4, 64);
/** The tree in one array (Moffat and Katajainen, "In-place calculation of minimum-redundancy codes", 1995). */
const tree: usize = memory.data(320 * 4, 64);
/** Codes of each length, and the next code of each. */
const perLength: usize = memory.data(16 * 4, 64);
const nextCode: usize = memory.data(16 * 4, 64);
/** The fraction of log2(1 + i/256), in units of 2^-12. */
const logFractions: usize = memory.data(256 * 4, 64);
const logShift: u32 = 12;

/** Makes the length of each symbol's code, at most `bitsMax`: one byte each at `lengths`, 0 for what does not come. */
export function makeLengths(counts: usize, symbols: u32, bitsMax: u32, lengths: usize): void {
  memory.fill(lengths, 0, symbols);
  let n: u32 = 0;
  for (let symbol: u32 = 0; symbol < symbols; symbol++) {
    const count = load<u32>(counts + (symbol << 2));
    if (count === 0) continue;
    store<u32>(used + (n << 2), (count << 9) | symbol);
    n++;
  }
  if (n === 0) return;
  if (n === 1) {
    store<u8>(lengths + (load<u32>(used) & 511), 1);
    return;
  }
  sortUsed(n);
  buildTree(n);
  countLengths(n, bitsMax);
  // The rarest have the longest.
  let i: usize = 0;
  for (let length = bitsMax; length > 0; length--) {
    for (let left = load<u32>(perLength + (length << 2)); left > 0; left--) {
      store<u8>(lengths + (load<u32>(used + (i << 2)) & 511), <u8>length);
      i++;
    }
  }
}

/** Heapsort. */
function sortUsed(n: u32): void {
  for (let i = n >> 1; i > 0; i--) sift(i - 1, n);
  for (let last = n - 1; last > 0; last--) {
    const largest = load<u32>(used);
    store<u32>(used, load<u32>(used + (last << 2)));
    store<u32>(used + (last << 2), largest);
    sift(0, last);
  }
}

function sift(from: u32, n: u32): void {
  const value = load<u32>(used + (from << 2));
  let i = from;
  for (;;) {
    let child = i * 2 + 1;
    if (child >= n) break;
    if (child + 1 < n && load<u32>(used + (child << 2), 4) > load<u32>(used + (child << 2))) child++;
    const larger = load<u32>(used + (child << 2));
    if (larger <= value) break;
    store<u32>(used + (i << 2), larger);
    i = child;
  }
  store<u32>(used + (i << 2), value);
}

/** Leaves the depth of every inner node in `tree`, the root's last. */
function buildTree(n: u32): void {
  for (let i: u32 = 0; i < n; i++) store<u32>(tree + (i << 2), load<u32>(used + (i << 2)) >> 9);
  let root: u32 = 0;
  let leaf: u32 = 0;
  for (let next: u32 = 0; next < n - 1; next++) {
    let sum: u32 = 0;
    for (let half: u32 = 0; half < 2; half++) {
      const rootWeight = load<u32>(tree + (root << 2));
      if (leaf >= n || (root < next && rootWeight < load<u32>(tree + (leaf << 2)))) {
        sum += rootWeight;
        store<u32>(tree + (root << 2), next);
        root++;
      } else {
        sum += load<u32>(tree + (leaf << 2));
        leaf++;
      }
    }
    store<u32>(tree + (next << 2), sum);
  }
  store<u32>(tree + ((n - 2) << 2), 0);
  for (let i: i32 = <i32>n - 3; i >= 0; i--) {
    const parent = load<u32>(tree + (i << 2));
    store<u32>(tree + (i << 2), load<u32>(tree + (parent << 2)) + 1);
  }
}

/** Counts the leaves of each depth, those below `bitsMax` at it, and puts right what that takes too much. */
function countLengths(n: u32, bitsMax: u32): void {
  memory.fill(perLength, 0, 64);
  let nodes: u32 = 1;
  let depth: u32 = 0;
  let inner: i32 = <i32>n - 2;
  // In units of 2^-bitsMax, of which there are 2^bitsMax.
  let taken: u32 = 0;
  while (nodes > 0) {
    let inside: u32 = 0;
    for (; inner >= 0 && load<u32>(tree + (inner << 2)) === depth; inner--) inside++;
    const length = min(depth, bitsMax);
    addLeaves(length, nodes - inside);
    taken += (nodes - inside) << (bitsMax - length);
    nodes = inside << 1;
    depth++;
  }
  for (; taken > 1 << bitsMax; taken--) {
    // A leaf higher up becomes a node, with itself and one of the lowest leaves below.
    let length = bitsMax - 1;
    while (load<u32>(perLength + (length << 2)) === 0) length--;
    addLeaves(length, -1);
    addLeaves(length + 1, 2);
    addLeaves(bitsMax, -1);
  }
}

function addLeaves(length: u32, count: u32): void {
  const at = perLength + (length << 2);
  store<u32>(at, load<u32>(at) + count);
}

/** Makes the codes of `lengths`, lowest bit first: code | bits << 24. */
export function makeCodes(lengths: usize, symbols: u32, codes: usize): void {
  memory.fill(perLength, 0, 64);
  for (let symbol: u32 = 0; symbol < symbols; symbol++) addLeaves(load<u8>(lengths + symbol), 1);
  store<u32>(perLength, 0);
  let code: u32 = 0;
  for (let length: usize = 1; length < 16; length++) {
    code = (code + load<u32>(perLength + ((length - 1) << 2))) << 1;
    store<u32>(nextCode + (length << 2), code);
  }
  for (let symbol: u32 = 0; symbol < symbols; symbol++) {
    const length = <u32>load<u8>(lengths + symbol);
    const at = nextCode + (length << 2);
    const next = load<u32>(at);
    store<u32>(at, next + 1);
    store<u32>(codes + (symbol << 2), length === 0 ? 0 : (reversed(next) >> (16 - length)) | (length << 24));
  }
}

/** The lower 16 bits the other way round. */
function reversed(value: u32): u32 {
  let swapped = ((value & 0x5555) << 1) | ((value >> 1) & 0x5555);
  swapped = ((swapped & 0x3333) << 2) | ((swapped >> 2) & 0x3333);
  swapped = ((swapped & 0x0f0f) << 4) | ((swapped >> 4) & 0x0f0f);
  return ((swapped & 0xff) << 8) | (swapped >> 8);
}

export function prepareEntropy(): void {
  for (let i: u32 = 0; i < 256; i++) {
    // Squaring doubles the logarithm; a 2 in front is its next bit.
    let value = (<u64>(256 + i)) << 22;
    let fraction: u32 = 0;
    for (let bit: u32 = 0; bit < logShift; bit++) {
      value = (value * value) >> 30;
      const carry = <u32>(value >> 31);
      fraction = (fraction << 1) | carry;
      value >>= <u64>carry;
    }
    store<u32>(logFractions + (i << 2), fraction);
  }
}

/** Bits of as many symbols under the best code there is. */
export function entropyBits(counts: usize, symbols: usize): u64 {
  let total: u32 = 0;
  let sum: u64 = 0;
  for (let i: usize = 0; i < symbols; i++) {
    const count = load<u32>(counts + (i << 2));
    if (count === 0) continue;
    total += count;
    sum += <u64>count * log2(count);
  }
  return total === 0 ? 0 : (<u64>total * log2(total) - sum) >> logShift;
}

function log2(value: u32): u32 {
  const zeros: u32 = clz(value);
  return ((31 - zeros) << logShift) + load<u32>(logFractions + (((value << zeros) >> 21) & 1020));
}
