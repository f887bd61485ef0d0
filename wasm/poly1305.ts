/**
 * Poly1305 (RFC 8439, section 2.5) over a message that is handed over in pieces.
 *
 * Numbers modulo 2^130 - 5 are five limbs of 26 bits, so that sums of products fit 64 bits and
 * no carry is needed in between. Not constant-time in theory only: no branch and no address depends on data.
 *
 * @module
 */

const limbMask: u64 = 0x3ffffff;

/** 32 bytes: `r` and the addend. The host writes them before `begin`. */
export const key: usize = memory.data(32, 16);
/** 16 bytes: the tag, after `finish`. */
export const tag: usize = memory.data(16, 16);
/** Where the host puts pieces of the message: 32 KiB stay in the processor's cache. */
export const data: usize = memory.data(32768, 64);

let r0: u64 = 0;
let r1: u64 = 0;
let r2: u64 = 0;
let r3: u64 = 0;
let r4: u64 = 0;
let h0: u64 = 0;
let h1: u64 = 0;
let h2: u64 = 0;
let h3: u64 = 0;
let h4: u64 = 0;

/** Starts a message under the key at `key`, clamping `r`. */
export function begin(): void {
  const low = load<u64>(key) & 0x0ffffffc0fffffff;
  const high = load<u64>(key, 8) & 0x0ffffffc0ffffffc;
  r0 = low & limbMask;
  r1 = (low >> 26) & limbMask;
  r2 = ((low >> 52) | (high << 12)) & limbMask;
  r3 = (high >> 14) & limbMask;
  r4 = high >> 40;
  h0 = h1 = h2 = h3 = h4 = 0;
}

/** Takes `length` bytes at `data`, a multiple of 16. */
export function update(length: usize): void {
  absorb(data, length, 1 << 24);
}

function absorb(from: usize, length: usize, topBit: u64): void {
  const a0 = r0;
  const a1 = r1;
  const a2 = r2;
  const a3 = r3;
  const a4 = r4;
  const s1 = a1 * 5;
  const s2 = a2 * 5;
  const s3 = a3 * 5;
  const s4 = a4 * 5;
  let b0 = h0;
  let b1 = h1;
  let b2 = h2;
  let b3 = h3;
  let b4 = h4;
  const end = from + length;
  for (let at = from; at < end; at += 16) {
    const low = load<u64>(at);
    const high = load<u64>(at, 8);
    b0 += low & limbMask;
    b1 += (low >> 26) & limbMask;
    b2 += ((low >> 52) | (high << 12)) & limbMask;
    b3 += (high >> 14) & limbMask;
    b4 += (high >> 40) | topBit;
    const d0 = b0 * a0 + b1 * s4 + b2 * s3 + b3 * s2 + b4 * s1;
    let d1 = b0 * a1 + b1 * a0 + b2 * s4 + b3 * s3 + b4 * s2;
    let d2 = b0 * a2 + b1 * a1 + b2 * a0 + b3 * s4 + b4 * s3;
    let d3 = b0 * a3 + b1 * a2 + b2 * a1 + b3 * a0 + b4 * s4;
    let d4 = b0 * a4 + b1 * a3 + b2 * a2 + b3 * a1 + b4 * a0;
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
  absorb(data, whole, 1 << 24);
  const rest = length - whole;
  if (rest > 0) {
    const block = data + whole;
    store<u8>(block + rest, 1);
    for (let i: usize = rest + 1; i < 16; i++) store<u8>(block + i, 0);
    absorb(block, 16, 0);
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
}
