import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { looksCompressible } from "./compressibility.ts";

const words = Buffer.from("the quick brown fox jumps over the lazy dog and back again. ".repeat(2000));

test("looksCompressible() tells text from noise", () => {
  assert.equal(looksCompressible(words), true);
  assert.equal(looksCompressible(randomBytes(100_000)), false);
});

test("looksCompressible() is not fooled by a head of the other kind", () => {
  assert.equal(looksCompressible(Buffer.concat([randomBytes(65_536), words, words, words])), true);
});

test("looksCompressible() sees repetition where every byte value is as common as any other", () => {
  const piece = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  assert.equal(looksCompressible(Buffer.concat(new Array(400).fill(piece))), true);
});

test("looksCompressible() has no opinion on a few bytes", () => {
  assert.equal(looksCompressible(words.subarray(0, 500)), undefined);
});
