/**
 * One lane of scrypt, compiled from `wasm/scrypt.ts`. Synchronous, for threads. See decision 13.
 *
 * @module
 */

import { scryptKernel } from "./generated/kernels.ts";

/** Cost of a lane; see RFC 7914. */
export interface LaneCost {
  /** States; a power of two. */
  readonly N: number;
  /** Blocks of 128 bytes in a state. */
  readonly r: number;
}

interface ScryptExports {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  readonly lane: { readonly value: number };
  begin(N: number, r: number): void;
  fill(from: number, to: number): void;
  mix(count: number): void;
}

/** The part of the global `WebAssembly` that is used: TypeScript declares it only for browsers. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: unknown };
};

const pageBytes = 65_536;
const wordsPerBlock = 16;
/** A function is compiled by the better compiler while it runs, and runs so when it is called next. Even. */
const statesPerCall = 256;

/** Bytes of a lane. */
export function laneBytes({ r }: Pick<LaneCost, "r">): number {
  return 128 * r;
}

/** Memory a lane takes while it is mixed: its states, and what is in work. */
export function mixingBytes({ N, r }: LaneCost): number {
  return laneBytes({ r }) * (N + 2);
}

/** Mixes lanes in their places, one after the other. Throws where the processor has no vectors or the system no such memory. */
export function mixLanes(lanes: Uint8Array, cost: LaneCost): void {
  const module = new WebAssembly.Module(Buffer.from(scryptKernel, "base64"));
  const exports = new WebAssembly.Instance(module).exports as ScryptExports;
  const { memory } = exports;
  const wanted = exports.lane.value + mixingBytes(cost);
  memory.grow(Math.max(0, Math.ceil((wanted - memory.buffer.byteLength) / pageBytes)));
  const size = laneBytes(cost);
  for (let at = 0; at < lanes.length; at += size) mixLane(exports, lanes.subarray(at, at + size), cost);
}

function mixLane({ memory, lane, begin, fill, mix }: ScryptExports, bytes: Uint8Array, cost: LaneCost): void {
  const { N, r } = cost;
  const words = bytes.length / 4;
  const outside = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const inside = new DataView(memory.buffer, lane.value, bytes.length);
  for (let i = 0; i < words; i++) inside.setUint32(4 * i, outside.getUint32(4 * wordAt(i), true), true);
  begin(N, r);
  for (let at = 0; at < N; at += statesPerCall) fill(at, Math.min(N, at + statesPerCall));
  for (let done = 0; done < N; done += statesPerCall) mix(Math.min(statesPerCall, N - done));
  for (let i = 0; i < words; i++) outside.setUint32(4 * wordAt(i), inside.getUint32(4 * i, true), true);
}

/** The word of the RFC that the kernel has at place `i`: the diagonals of a block lie one after the other. */
function wordAt(i: number): number {
  const inBlock = i % wordsPerBlock;
  return i - inBlock + ((inBlock * 5) % wordsPerBlock);
}
