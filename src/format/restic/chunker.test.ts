import assert from "node:assert/strict";
import { createCipheriv } from "node:crypto";
import { test } from "node:test";
import { isBackupError } from "../../domain/error.ts";
import { fc } from "../../testing/properties.ts";
import { Chunker } from "./chunker.ts";

const kiB = 1024;
const miB = 1024 * kiB;

/** Of a repository that Debian's restic 0.14.0 made. */
const polynomial = 0x342207b469fe6fn;
/** 32 MiB that anyone can make again: the key stream of AES-256-CTR for a key and an IV of zeros. */
const keyStream = createCipheriv("aes-256-ctr", Buffer.alloc(32), Buffer.alloc(16)).update(
  Buffer.alloc(32 * miB),
);
/** What restic 0.14.0 cut them into: `restic backup d.bin`, then lengths of the node's blobs from the index. */
const resticLengths = [
  852_607, 555_062, 627_526, 565_718, 1_135_502, 531_606, 1_113_475, 4_451_902, 1_036_747, 1_428_506,
  3_441_604, 1_523_246, 682_699, 1_042_372, 709_361, 659_990, 679_157, 888_024, 563_033, 2_202_030, 2_640_975,
  940_827, 2_899_612, 682_460, 609_937, 631_469, 458_985,
];

const chunker = new Chunker(polynomial);

/** Chunks `bytes` through a buffer that is filled by `feedBytes` at a time, moving what is left to the front. */
function cutAll(bytes: Uint8Array, feedBytes: () => number): number[] {
  const { buffer } = chunker;
  const lengths: number[] = [];
  let read = 0;
  let start = 0;
  let end = 0;
  for (;;) {
    const isEnd = read === bytes.length;
    const length = chunker.chunkLength(start, end, isEnd);
    if (length !== undefined) {
      lengths.push(length);
      start += length;
    } else if (isEnd) {
      return lengths;
    } else {
      if (end === buffer.length) {
        buffer.copyWithin(0, start, end);
        end -= start;
        start = 0;
      }
      const piece = bytes.subarray(read, read + Math.min(feedBytes(), buffer.length - end));
      buffer.set(piece, end);
      read += piece.length;
      end += piece.length;
    }
  }
}

test("Chunker cuts where restic 0.14 cuts", () => {
  assert.deepEqual(
    cutAll(keyStream, () => miB),
    resticLengths,
  );
});

test("Chunker cuts elsewhere under another polynomial", () => {
  const other = new Chunker(0x3da3358b4dc173n);
  other.buffer.set(keyStream.subarray(0, 16 * miB));
  assert.notEqual(other.chunkLength(0, 16 * miB, false), resticLengths[0]);
});

test("Chunker cuts alike however the bytes arrive", () => {
  const bytes = keyStream.subarray(0, 6 * miB);
  const expected = cutAll(bytes, () => 16 * miB);
  const pieces = fc.array(fc.oneof(fc.integer({ min: 1, max: 3 * miB }), fc.integer({ min: 1, max: 2000 })), {
    minLength: 1,
    maxLength: 40,
  });
  fc.assert(
    fc.property(pieces, (sizes) => {
      let turn = 0;
      // Small pieces alone would take for ever: every so often one is large.
      const feed = (): number => (turn++ % 50 === 49 ? miB : sizes[turn % sizes.length]!);
      assert.deepEqual(cutAll(bytes, feed), expected);
    }),
    { numRuns: 25 },
  );
});

test("Chunker finds a single cut at any place, from any start, in any lane", () => {
  // The eighth chunk has no cut for 4 MiB. 64 bytes of zero have a fingerprint of zero: a cut where they end.
  const origin = resticLengths.slice(0, 7).reduce((sum, length) => sum + length, 0);
  const room = keyStream.subarray(origin, origin + resticLengths[7]! - 100);
  const place = fc.integer({ min: 512 * kiB, max: room.length });
  const start = fc.integer({ min: 0, max: 70_000 });
  const law = fc.property(place, start, fc.integer({ min: 0, max: 100_000 }), (cut, at, more) => {
    chunker.buffer.set(room, at);
    chunker.buffer.fill(0, at + cut - 64, at + cut);
    chunker.buffer.fill(1, at + cut - 65, at + cut - 64);
    const end = Math.min(at + room.length, at + cut + more);
    assert.equal(chunker.chunkLength(at, end, true), cut);
  });
  // A fixed seed: one in some thousand random places makes another cut together with what lies before it.
  fc.assert(law, { numRuns: 300, seed: 1 });
});

test("Chunker misses no cut where stretches, lanes and groups of 16 meet", () => {
  const origin = resticLengths.slice(0, 7).reduce((sum, length) => sum + length, 0);
  const room = keyStream.subarray(origin, origin + 2 * miB);
  const edges = [0, 16, 32, 4096, 8192, 61_440, 65_536, 131_072, 65_536 * 15, 1024, 1536 * kiB - 16];
  for (const edge of edges) {
    for (
      let cut = 512 * kiB + Math.max(0, edge - 17);
      cut <= Math.min(512 * kiB + edge + 17, room.length);
      cut += 1
    ) {
      chunker.buffer.set(room);
      chunker.buffer.fill(0, cut - 64, cut);
      chunker.buffer.fill(1, cut - 65, cut - 64);
      assert.equal(chunker.chunkLength(0, room.length, true), cut);
    }
  }
});

test("Chunker takes the first of several cuts, whichever lane each is in", () => {
  const origin = resticLengths.slice(0, 7).reduce((sum, length) => sum + length, 0);
  const room = keyStream.subarray(origin, origin + 2 * miB);
  const distances = fc.array(fc.integer({ min: 512 * kiB, max: 700 * kiB }), { minLength: 2, maxLength: 30 });
  const law = fc.property(distances, (cuts) => {
    chunker.buffer.set(room);
    for (const cut of cuts.toSorted((a, b) => b - a)) {
      chunker.buffer.fill(0, cut - 64, cut);
      chunker.buffer.fill(1, cut - 65, cut - 64);
    }
    assert.equal(chunker.chunkLength(0, room.length, true), Math.min(...cuts));
  });
  fc.assert(law, { numRuns: 200, seed: 1 });
});

test("Chunker cuts zeros at the smallest length, also where the file ends on it", () => {
  // restic/chunker: chunker_test.go, `chunks2`.
  const lengths = cutAll(Buffer.alloc(4 * 512 * kiB), () => 300_000);
  assert.deepEqual(lengths, [512 * kiB, 512 * kiB, 512 * kiB, 512 * kiB]);
});

test("Chunker cuts bytes without a cut at 8 MiB", () => {
  assert.deepEqual(
    cutAll(Buffer.alloc(20 * miB, 1), () => miB),
    [8 * miB, 8 * miB, 4 * miB],
  );
});

test("Chunker takes a file below the smallest length whole, and asks for more before its end", () => {
  chunker.buffer.fill(0, 0, miB);
  for (const length of [1, 63, 64, 65, 512 * kiB - 1]) {
    assert.equal(chunker.chunkLength(0, length, false), undefined);
    assert.equal(chunker.chunkLength(0, length, true), length);
  }
});

test("Chunker finds no chunk in an empty file", () => {
  assert.equal(chunker.chunkLength(0, 0, true), undefined);
});

test("Chunker scans anew after forget(), where a file was given up", () => {
  chunker.buffer.set(keyStream.subarray(0, miB));
  const shortOfCut = resticLengths[0]! - 10_000;
  assert.equal(chunker.chunkLength(0, shortOfCut, false), undefined);
  chunker.buffer.fill(0, 0, miB);
  chunker.forget();
  assert.equal(chunker.chunkLength(0, miB, false), 512 * kiB);
});

test("Chunker refuses a polynomial of another degree", () => {
  for (const wrong of [0n, 1n, 0x1fffffffffffffn, 0x40000000000001n]) {
    assert.throws(
      () => new Chunker(wrong),
      (error) => isBackupError(error, "damaged"),
    );
  }
});

test("Chunker refuses bytes outside its buffer", () => {
  const { length } = chunker.buffer;
  for (const [start, end] of [
    [-1, 10],
    [10, 9],
    [0, length + 1],
  ] as const) {
    assert.throws(
      () => chunker.chunkLength(start, end, true),
      (error) => isBackupError(error, "bug"),
    );
  }
});
