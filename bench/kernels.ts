/**
 * Speed of the compiled kernels and of the box around them, on one core: `node bench/kernels.ts`. Processor time,
 * and the best of several rounds, because other work on the machine only ever makes them slower.
 *
 * @module
 */

import { createCipheriv } from "node:crypto";
import { Chunker, minChunkBytes } from "../src/format/restic/chunker.ts";
import { newMasterKey, openBox, sealBoxInto } from "../src/format/restic/crypto-box.ts";
import { piecesOf, poly1305 } from "../src/format/restic/poly1305.ts";

const rounds = 10;
const miB = 1024 * 1024;
const data = createCipheriv("aes-256-ctr", Buffer.alloc(32), Buffer.alloc(16)).update(Buffer.alloc(32 * miB));

/** Milliseconds of processor time of one run, in the best round. */
function bestMs(work: () => void): number {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round += 1) {
    const before = process.cpuUsage();
    const startedAtMs = performance.now();
    let times = 0;
    for (; performance.now() - startedAtMs < 100; times += 1) work();
    const { user, system } = process.cpuUsage(before);
    best = Math.min(best, (user + system) / 1000 / times);
  }
  return best;
}

function report(name: string, bytes: number, ms: number): void {
  console.log(
    `${name.padEnd(36)} ${(bytes / ms / 1000).toFixed(0).padStart(6)} MB/s ${(ms * 1000).toFixed(1).padStart(9)} us`,
  );
}

function cutAll(chunker: Chunker): number {
  let chunks = 0;
  for (let start = 0; ; chunks += 1) {
    const length = chunker.chunkLength(start, data.length, true);
    if (length === undefined) return chunks;
    start += length;
  }
}

const chunker = new Chunker(0x3da3358b4dc173n, data.length);
chunker.buffer.set(data);
const chunks = cutAll(chunker);
const cutMs = bestMs(() => cutAll(chunker));
report("Chunker, of random bytes", data.length, cutMs);
report("Chunker, of the bytes it must look at", data.length - chunks * minChunkBytes, cutMs);
const oneTimeKey = data.subarray(0, 32);
report(
  "Poly1305, 1 MiB",
  miB,
  bestMs(() => poly1305(oneTimeKey, piecesOf(data.subarray(0, miB)))),
);
const key = newMasterKey();
const target = Buffer.alloc(miB + 32);
for (const length of [100, 1000, 65_536, miB]) {
  const plain = data.subarray(0, length);
  report(
    `sealBoxInto(), ${length} bytes`,
    length,
    bestMs(() => sealBoxInto(key, plain, target, 0)),
  );
  const box = target.subarray(0, sealBoxInto(key, plain, target, 0));
  report(
    `openBox(), ${length} bytes`,
    length,
    bestMs(() => openBox(key, box)),
  );
}
