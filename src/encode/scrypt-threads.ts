/**
 * scrypt (RFC 7914) with its lanes in two threads: the same key as of `node:crypto`, which mixes one lane
 * after the other, in less time. See decision 13.
 *
 * @module
 */

import { pbkdf2Sync } from "node:crypto";
import { availableParallelism } from "node:os";
import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import { type LaneCost, laneBytes, mixingBytes } from "./scrypt-kernel.ts";

export interface ScryptCost extends LaneCost {
  /** Lanes. */
  readonly p: number;
}

/** @internal What a thread is given; it answers with the lanes, mixed. */
export interface LaneWork extends LaneCost {
  /** Lanes, one after the other. */
  readonly lanes: Uint8Array;
}

/** More would take more memory than a key is worth. */
const threads = 2;
/** N × r × p. Less takes OpenSSL hardly longer than it takes to start a thread. */
const workMin = 2 ** 20;
/** Of all threads: twice what a lane of N 32,768 and r 8 takes, as restic and we choose them, and a bit. */
const memoryBytesMax = 65 * 1024 * 1024;
/** What has to be left for others. */
const sparedBytes = 256 * 1024 * 1024;

/**
 * Derives a key. N must be a power of two, r and p at least 1.
 *
 * @returns undefined where `node:crypto` is to do it: for a cost that gains nothing so, and where there are no
 *   threads, no vectors, or no memory to be had
 */
export async function scryptInThreads(
  password: Uint8Array,
  salt: Uint8Array,
  cost: ScryptCost,
  keyBytes: number,
): Promise<Uint8Array | undefined> {
  if (!repays(cost)) return undefined;
  const { p } = cost;
  const size = laneBytes(cost);
  try {
    const lanes = pbkdf2Sync(password, salt, 1, size * p, "sha256");
    const half = size * Math.ceil(p / threads);
    const mixed = await Promise.all(
      [lanes.subarray(0, half), lanes.subarray(half)].map((part) => mixInThread(part, cost)),
    );
    return pbkdf2Sync(password, Buffer.concat(mixed), 1, keyBytes, "sha256");
  } catch {
    // Whatever failed was only to save time.
    return undefined;
  }
}

function repays(cost: ScryptCost): boolean {
  const memoryBytes = threads * mixingBytes(cost);
  const isHeavy = cost.p >= threads && cost.N * cost.r * cost.p >= workMin;
  if (!isHeavy || memoryBytes > memoryBytesMax || availableParallelism() < threads) return false;
  return process.availableMemory() >= memoryBytes + sparedBytes;
}

async function mixInThread(lanes: Uint8Array, { N, r }: LaneCost): Promise<Uint8Array> {
  // In development this file is TypeScript, when published JavaScript; the worker is its sibling.
  const script = new URL(`./scrypt-worker${extname(import.meta.url)}`, import.meta.url);
  const workerData: LaneWork = { lanes, N, r };
  // Nothing of ours is for it to see. It ends by itself, and its memory with it.
  const worker = new Worker(script, { workerData, env: {}, execArgv: [] });
  return await new Promise((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
    worker.once("exit", () => reject(new Error("its thread ended")));
  });
}
