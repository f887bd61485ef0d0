import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { isBackupError } from "../../../../domain/error.ts";
import { choosePacks } from "./choose-packs.ts";

const packs = Array.from({ length: 100 }, (_, n) => ({
  id: createHash("sha256").update(String(n)).digest("hex"),
  sizeBytes: 1_000,
}));

/** Numbers that look random and are the same each time. */
function numbers(): () => number {
  let state = 42;
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return state / 2 ** 32;
  };
}

test("choosePacks() chooses every pack exactly once over all parts", () => {
  const parts = [1, 2, 3].map((part) => choosePacks(packs, { part, of: 3 }, numbers()));
  assert.ok(parts.every((part) => part.length > 20));
  assert.deepEqual(new Set(parts.flat()), new Set(packs));
  assert.equal(parts.flat().length, packs.length);
});

test("choosePacks() chooses as many as a percentage or a number of bytes says, and one at least", () => {
  assert.equal(choosePacks(packs, { percent: 2.5 }, numbers()).length, 3);
  assert.equal(choosePacks(packs, { percent: 0.001 }, numbers()).length, 1);
  assert.equal(choosePacks(packs, { percent: 100 }, numbers()).length, 100);
  assert.equal(choosePacks(packs, { bytes: 1 }, numbers()).length, 1);
  assert.equal(choosePacks(packs, { bytes: 10_001 }, numbers()).length, 11);
  assert.equal(choosePacks([], { percent: 5 }, numbers()).length, 0);
  const some = choosePacks(packs, { percent: 10 }, numbers());
  assert.equal(new Set(some).size, 10);
  assert.notDeepEqual(some, packs.slice(0, 10), "they are chosen at random");
});

test("choosePacks() chooses none or all where that is asked", () => {
  assert.deepEqual(choosePacks(packs, "none", numbers()), []);
  assert.deepEqual(choosePacks(packs, "all", numbers()), packs);
});

test("choosePacks() refuses numbers that make no sense", () => {
  const senseless = [
    { part: 0, of: 5 },
    { part: 6, of: 5 },
    { part: 1.5, of: 5 },
    { percent: 0 },
    { percent: 101 },
    { percent: Number.NaN },
    { bytes: -1 },
  ];
  for (const readData of senseless) {
    assert.throws(
      () => choosePacks(packs, readData, numbers()),
      (error) => isBackupError(error, "invalid-input"),
    );
  }
});
