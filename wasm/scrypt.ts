/**
 * The costly middle of scrypt (RFC 7914, section 5, "scryptROMix") over one lane of 128 × r bytes.
 *
 * The words of each block of 64 bytes come and go in the order of its diagonals, word 5 × i modulo 16 of
 * the RFC at place i, so that four of them are one vector. Work is done in steps, because a function
 * that runs on is not compiled anew: the host calls `fill` and `mix` with some hundred states each.
 *
 * @module
 */

/** The lane, then room for another, then N states. The host grows the memory to hold them. */
export const lane: usize = (__heap_base + 63) & ~63;

/** Bytes of the lane, and of a state. */
let size: usize = 0;
let mask: u32 = 0;
let spare: usize = 0;
let states: usize = 0;

/** Starts with the lane that lies there. `N` is a power of two. */
export function begin(N: u32, r: u32): void {
  size = (<usize>r) << 7;
  mask = N - 1;
  spare = lane + size;
  states = spare + size;
}

/** Keeps the lane as state `from`, and so on until state `to`. */
export function fill(from: u32, to: u32): void {
  for (let i = from; i < to; i++) {
    const state = states + <usize>i * size;
    memory.copy(state, lane, size);
    mixBlocks(state, lane, 0, false);
  }
}

/** Mixes the lane with one of its states, which it chooses itself, `count` times; `count` is even. */
export function mix(count: u32): void {
  for (let i: u32 = 0; i < count; i += 2) {
    mixBlocks(lane, spare, chosen(lane), true);
    mixBlocks(spare, lane, chosen(spare), true);
  }
}

/** "Integerify": the first word of the last block. */
function chosen(from: usize): usize {
  return states + <usize>(load<u32>(from + size - 64) & mask) * size;
}

/**
 * "scryptBlockMix": blocks of even number go to the first half of the target, odd ones to the second. What is
 * mixed is the source or, if it `blends`, that xor a state.
 */
function mixBlocks(source: usize, target: usize, state: usize, blends: bool): void {
  const last = size - 64;
  let a0 = v128.load(source + last);
  let a1 = v128.load(source + last, 16);
  let a2 = v128.load(source + last, 32);
  let a3 = v128.load(source + last, 48);
  if (blends) {
    a0 = v128.xor(a0, v128.load(state + last));
    a1 = v128.xor(a1, v128.load(state + last, 16));
    a2 = v128.xor(a2, v128.load(state + last, 32));
    a3 = v128.xor(a3, v128.load(state + last, 48));
  }
  let next = target;
  let afterNext = target + (size >> 1);
  for (let at: usize = 0; at < size; at += 64) {
    a0 = v128.xor(a0, v128.load(source + at));
    a1 = v128.xor(a1, v128.load(source + at, 16));
    a2 = v128.xor(a2, v128.load(source + at, 32));
    a3 = v128.xor(a3, v128.load(source + at, 48));
    if (blends) {
      a0 = v128.xor(a0, v128.load(state + at));
      a1 = v128.xor(a1, v128.load(state + at, 16));
      a2 = v128.xor(a2, v128.load(state + at, 32));
      a3 = v128.xor(a3, v128.load(state + at, 48));
    }
    const x0 = a0;
    const x1 = a1;
    const x2 = a2;
    const x3 = a3;
    // Salsa20/8: four double rounds, columns and then rows.
    for (let i = 0; i < 4; i++) {
      a1 = stirred(a1, a0, a3, 7);
      a2 = stirred(a2, a1, a0, 9);
      a3 = stirred(a3, a2, a1, 13);
      a0 = stirred(a0, a3, a2, 18);
      a1 = v128.shuffle<u32>(a1, a1, 3, 0, 1, 2);
      a2 = v128.shuffle<u32>(a2, a2, 2, 3, 0, 1);
      a3 = v128.shuffle<u32>(a3, a3, 1, 2, 3, 0);
      a3 = stirred(a3, a0, a1, 7);
      a2 = stirred(a2, a3, a0, 9);
      a1 = stirred(a1, a2, a3, 13);
      a0 = stirred(a0, a1, a2, 18);
      a1 = v128.shuffle<u32>(a1, a1, 1, 2, 3, 0);
      a2 = v128.shuffle<u32>(a2, a2, 2, 3, 0, 1);
      a3 = v128.shuffle<u32>(a3, a3, 3, 0, 1, 2);
    }
    a0 = v128.add<u32>(a0, x0);
    a1 = v128.add<u32>(a1, x1);
    a2 = v128.add<u32>(a2, x2);
    a3 = v128.add<u32>(a3, x3);
    v128.store(next, a0);
    v128.store(next, a1, 16);
    v128.store(next, a2, 32);
    v128.store(next, a3, 48);
    const nextOfKind = next + 64;
    next = afterNext;
    afterNext = nextOfKind;
  }
}

/** `x` with the sum of two others mixed in, turned left by `bits`. */
function stirred(x: v128, a: v128, b: v128, bits: i32): v128 {
  const sum = v128.add<u32>(a, b);
  return v128.xor(v128.xor(x, v128.shl<u32>(sum, bits)), v128.shr<u32>(sum, 32 - bits));
}
