import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import fc from "fast-check";
import { copyStoredFrame } from "./zstd-stored.ts";

test("copyStoredFrame() gives what libzstd gives for bytes that do not shrink, of any length", () => {
  for (const size of [1, 2, 255, 256, 65_535, 65_536, 131_071, 131_072, 131_073, 1_000_000]) {
    const bytes = randomBytes(size);
    const target = Buffer.alloc(size + 1, 7);
    assert.equal(copyStoredFrame(zstdCompressSync(bytes), target), size, `${size} bytes`);
    assert.deepEqual(target.subarray(0, size), bytes);
    assert.equal(target[size], 7);
  }
});

test("copyStoredFrame() leaves frames to the decoder that hold compressed blocks, a checksum, or more than there is room for", () => {
  const target = Buffer.alloc(200_000);
  assert.equal(copyStoredFrame(zstdCompressSync("text ".repeat(10_000)), target), undefined);
  const checked = zstdCompressSync(randomBytes(1_000), { params: { [constants.ZSTD_c_checksumFlag]: 1 } });
  assert.equal(copyStoredFrame(checked, target), undefined);
  assert.equal(copyStoredFrame(zstdCompressSync(randomBytes(1_000)), target.subarray(0, 999)), undefined);
  const half = Buffer.concat([randomBytes(140_000), Buffer.alloc(140_000, "text ")]);
  assert.equal(copyStoredFrame(zstdCompressSync(half), Buffer.alloc(280_000)), undefined);
  assert.equal(copyStoredFrame(Buffer.concat([zstdCompressSync(randomBytes(9)), Buffer.of(0)]), target), undefined);
});

test("copyStoredFrame() never says other bytes than the decoder, whatever it is given", () => {
  const frame = zstdCompressSync(randomBytes(300));
  fc.assert(
    fc.property(fc.nat(frame.length - 1), fc.nat(255), fc.nat(frame.length), (at, value, end) => {
      const changed = Buffer.from(frame);
      changed[at] = value;
      const cut = changed.subarray(0, end);
      const target = Buffer.alloc(1_000);
      const written = copyStoredFrame(cut, target);
      if (written === undefined) return;
      let real: Buffer;
      try {
        real = zstdDecompressSync(cut);
      } catch {
        // A content size that is not true: whoever calls compares lengths and hashes.
        return;
      }
      assert.deepEqual(target.subarray(0, written), real);
    }),
  );
});
