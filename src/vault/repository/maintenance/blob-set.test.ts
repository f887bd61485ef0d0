import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import type { BlobType } from "../../../format/restic/model.ts";
import { fc } from "../../../testing/properties.ts";
import { BlobSet } from "./blob-set.ts";

function idOf(n: number): string {
  return createHash("sha256").update(String(n)).digest("hex");
}

test("BlobSet holds what a Set of texts holds, with ordinals in the order of adding", () => {
  const blob = fc.record({ n: fc.nat(3_000), type: fc.constantFrom<BlobType>("data", "tree") });
  fc.assert(
    fc.property(fc.array(blob, { maxLength: 200 }), (blobs) => {
      const set = new BlobSet();
      const model = new Set<string>();
      for (const { n, type } of blobs) {
        assert.equal(set.add(idOf(n), type), !model.has(`${n} ${type}`));
        model.add(`${n} ${type}`);
      }
      assert.equal(set.size, model.size);
      [...model].forEach((key, ordinal) => {
        const [n, type] = key.split(" ") as [string, BlobType];
        assert.equal(set.ordinalOf(idOf(Number(n)), type), ordinal);
        assert.deepEqual(set.at(ordinal), { id: idOf(Number(n)), type });
      });
      assert.equal(set.has(idOf(5_000), "data"), false);
      assert.equal(set.ordinalOf(idOf(5_000), "tree"), -1);
    }),
    { numRuns: 30 },
  );
});

test("BlobSet tells ids apart that differ in any one digit only, and begin alike", () => {
  const set = new BlobSet();
  const zeros = "0".repeat(64);
  set.add(zeros, "data");
  for (let i = 0; i < 64; i++) {
    const id = `${zeros.slice(0, i)}f${zeros.slice(i + 1)}`;
    assert.ok(!set.has(id, "data"));
    assert.ok(set.add(id, "data"));
  }
  assert.equal(set.size, 65);
  assert.ok(!set.has(zeros, "tree"));
});

test("BlobSet refuses what is no id", () => {
  const set = new BlobSet();
  assert.throws(() => set.add("abc", "data"), RangeError);
  assert.throws(() => set.add("G".repeat(64), "data"), RangeError);
  assert.throws(() => set.has("\u1234".repeat(64), "data"), RangeError);
});
