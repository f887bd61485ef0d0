import assert from "node:assert/strict";
import { test } from "node:test";
import { databaseChunkBytes } from "./database-chunks.ts";

const kibibyte = 1024;
const gibibyte = 1024 ** 3;

test("databaseChunkBytes() gives whole pages, never more than a reader's buffer", () => {
  for (let page = 512; page <= 65_536; page *= 2) {
    for (const imageBytes of [0, gibibyte, 10 * gibibyte, 50 * gibibyte, 500 * gibibyte]) {
      const chunk = databaseChunkBytes(page, imageBytes);
      assert.equal(chunk % page, 0, `${page} ${imageBytes}`);
      assert.ok(chunk >= 24 * kibibyte && chunk <= 512 * kibibyte);
    }
  }
});

test("databaseChunkBytes() grows with the image, in steps", () => {
  const sizes = [1, 2, 3, 8, 10, 32, 100, 200].map(
    (size) => databaseChunkBytes(4096, size * gibibyte) / kibibyte,
  );
  assert.deepEqual(sizes, [24, 24, 64, 64, 128, 128, 256, 512]);
});

test("databaseChunkBytes() cuts what has no page size, or one that none has", () => {
  for (const page of [0, -1, 0.5, Number.NaN, 1e9])
    assert.equal(databaseChunkBytes(page, 1e6), 24 * kibibyte);
});
