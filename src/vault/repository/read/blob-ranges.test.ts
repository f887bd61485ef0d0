import assert from "node:assert/strict";
import { test } from "node:test";
import { fc } from "../../../testing/properties.ts";
import { planRanges, type WantedBlob } from "./blob-ranges.ts";

const megabyte = 1024 * 1024;

function blob(pack: string, offset: number, length: number, at = 0): WantedBlob {
  return { place: { id: `${pack}-${offset}`, type: "data", pack, offset, length }, at };
}

test("planRanges() puts every blob into exactly one range of its own pack, which covers it", () => {
  const blobs = fc.array(
    fc.record({
      pack: fc.constantFrom("a", "b", "c"),
      offset: fc.nat(64 * megabyte),
      length: fc.nat(9 * megabyte),
    }),
  );
  fc.assert(
    fc.property(blobs, (drawn) => {
      const wanted = drawn.map(({ pack, offset, length }, i) => blob(pack, offset, length, i));
      const ranges = planRanges(wanted);
      assert.deepEqual(new Set(ranges.flatMap((range) => range.blobs)), new Set(wanted));
      assert.equal(
        ranges.reduce((sum, range) => sum + range.blobs.length, 0),
        wanted.length,
      );
      for (const { pack, offset, length, blobs: inside } of ranges) {
        assert.ok(inside.every(({ place }) => place.pack === pack && place.offset >= offset));
        assert.ok(inside.every(({ place }) => place.offset + place.length <= offset + length));
        assert.ok(inside.length === 1 || length <= 4 * megabyte);
      }
    }),
  );
});

test("planRanges() reads neighbours at once, and not what lies far from them", () => {
  const near = [blob("a", 200_000, 100_000, 2), blob("a", 0, 100_000, 1)];
  const far = [blob("a", 3_000_000, 10, 0), blob("b", 300_000, 10, 3)];
  const ranges = planRanges([...near, ...far]).map(({ pack, offset, length }) => ({ pack, offset, length }));
  assert.deepEqual(ranges, [
    { pack: "a", offset: 3_000_000, length: 10 },
    { pack: "a", offset: 0, length: 300_000 },
    { pack: "b", offset: 300_000, length: 10 },
  ]);
});

test("planRanges() cuts where blobs would decode to much, however small they are stored", () => {
  const zeros = Array.from({ length: 4 }, (_, i): WantedBlob => {
    const { place, at } = blob("a", i * 500, 500, i);
    return { place: { ...place, uncompressedLength: 3 * megabyte }, at };
  });
  assert.equal(planRanges(zeros).length, 4);
});
