import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { fc } from "../testing/properties.ts";
import { StoredFrame } from "./zstd-stored.ts";

/** Gives a frame in pieces; returns whether all of it was copied to `target`. */
function copyFrame(frame: Buffer, target: Uint8Array, pieceBytes: number): boolean {
  const begun = StoredFrame.begin(frame.subarray(0, pieceBytes), target);
  if (begun === undefined) return false;
  begun.frame.push(begun.rest);
  for (let at = pieceBytes; at < frame.length; at += pieceBytes) {
    begun.frame.push(frame.subarray(at, at + pieceBytes));
  }
  return begun.frame.isComplete;
}

test("StoredFrame gives what libzstd gives for bytes that do not shrink, in pieces of any length", () => {
  for (const size of [1, 2, 255, 256, 65_535, 65_536, 131_071, 131_072, 131_073, 1_000_000]) {
    const bytes = randomBytes(size);
    const frame = zstdCompressSync(bytes);
    for (const pieceBytes of [19, 4_096, 65_536, 2_000_000]) {
      const target = Buffer.alloc(size);
      assert.equal(copyFrame(frame, target, pieceBytes), true, `${size} bytes by ${pieceBytes}`);
      assert.ok(target.equals(bytes), `${size} bytes by ${pieceBytes}`);
    }
  }
});

test("StoredFrame leaves frames to the decoder that hold compressed blocks, a checksum, or another size", () => {
  const target = Buffer.alloc(1_000);
  const copy = (frame: Buffer, room: Uint8Array): boolean => copyFrame(frame, room, 65_536);
  assert.equal(copy(zstdCompressSync("text ".repeat(200)), target), false);
  const checked = zstdCompressSync(randomBytes(1_000), { params: { [constants.ZSTD_c_checksumFlag]: 1 } });
  assert.equal(copy(checked, target), false);
  assert.equal(copy(zstdCompressSync(randomBytes(1_001)), target), false, "too large");
  assert.equal(copy(zstdCompressSync(randomBytes(999)), target), false, "too small");
  const half = Buffer.concat([randomBytes(140_000), Buffer.alloc(140_000, "text ")]);
  assert.equal(copy(zstdCompressSync(half), Buffer.alloc(280_000)), false, "mixed");
  const twice = Buffer.concat([zstdCompressSync(randomBytes(500)), zstdCompressSync(randomBytes(500))]);
  assert.equal(copy(twice, target), false, "two frames");
  assert.equal(copy(Buffer.concat([zstdCompressSync(randomBytes(1_000)), Buffer.of(0)]), target), false);
});

test("StoredFrame never says other bytes than the decoder, whatever it is given", () => {
  const frame = zstdCompressSync(randomBytes(300));
  let compared = 0;
  fc.assert(
    fc.property(fc.nat(frame.length - 1), fc.nat(255), fc.nat(frame.length), (at, value, end) => {
      const changed = Buffer.from(frame);
      changed[at] = value;
      const cut = changed.subarray(0, end);
      const target = Buffer.alloc(300);
      if (!copyFrame(cut, target, 64)) return;
      compared++;
      let real: Buffer;
      try {
        real = zstdDecompressSync(cut);
      } catch {
        // A content size that is not true: whoever calls compares hashes.
        return;
      }
      assert.deepEqual(target, real);
    }),
    { numRuns: 5_000 },
  );
  assert.ok(compared > 0);
});
