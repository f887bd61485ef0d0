import assert from "node:assert/strict";
import { test } from "node:test";
import type { PackedBlob } from "../../../../format/restic/model.ts";
import { fc } from "../../../../testing/properties.ts";
import { planSegments } from "./pack-segments.ts";

const id = "00".repeat(32);

const anyPack = fc.record({
  places: fc.array(fc.tuple(fc.nat(30_000_000), fc.integer({ min: 1, max: 6_000_000 })), { maxLength: 30 }),
  sizeBytes: fc.nat(40_000_000),
});

test("planSegments() reads every byte once, and every blob that can lie where the index says", () => {
  fc.assert(
    fc.property(anyPack, ({ places, sizeBytes }) => {
      const blobs = places
        .map(([offset, length]): PackedBlob => ({ id, type: "data", offset, length }))
        .sort((a, b) => a.offset - b.offset);
      const { segments, misplaced } = planSegments(blobs, sizeBytes);
      let end = 0;
      for (const segment of segments) {
        assert.equal(segment.offset, end);
        assert.ok(segment.length > 0);
        end += segment.length;
        for (const blob of segment.blobs) {
          assert.ok(blob.offset >= segment.offset && blob.offset + blob.length <= end);
        }
      }
      assert.equal(end, sizeBytes);
      const read = segments.flatMap((segment) => segment.blobs);
      assert.equal(read.length + misplaced.length, blobs.length);
      for (const { blob } of misplaced) {
        const overlaps = read.some(
          (one) => blob.offset < one.offset + one.length && one.offset < blob.offset + blob.length,
        );
        assert.ok(overlaps || blob.offset + blob.length > sizeBytes);
      }
    }),
    { numRuns: 200 },
  );
});
