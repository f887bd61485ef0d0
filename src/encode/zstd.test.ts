import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { isBackupError } from "../domain/error.ts";
import { fc } from "../testing/properties.ts";
import { compress, decompress } from "./zstd.ts";

const isDamaged = (error: unknown): boolean => isBackupError(error, "damaged");

test("decompress() gives back what compress() was given, at any level", () => {
  const bytes = fc.uint8Array({ maxLength: 5_000 });
  fc.assert(
    fc.property(bytes, fc.integer({ min: 1, max: 9 }), (plain, level) => {
      assert.deepEqual(decompress(compress(plain, level), plain.byteLength), Buffer.from(plain));
    }),
  );
});

test("compress() gives one frame that says how large its content is, without a checksum", () => {
  const frame = compress(Buffer.alloc(1_000_000, "text that repeats "));
  assert.equal(frame.readUInt32LE(0), 0xfd2fb528);
  const descriptor = frame[4] ?? 0;
  assert.notEqual(descriptor >> 6, 0, "there is a field for the size");
  assert.equal(descriptor & 4, 0, "there is no checksum");
  assert.ok(frame.byteLength < 1_000);
});

test("compress() adds next to nothing to bytes that do not shrink", () => {
  const noise = randomBytes(3 * 1024 * 1024);
  const frame = compress(noise);
  assert.ok(frame.byteLength < noise.byteLength + 200);
  assert.ok(decompress(frame, noise.byteLength).equals(noise));
});

test("decompress() stops a bomb at the size that was allowed", () => {
  const bomb = compress(Buffer.alloc(64 * 1024 * 1024));
  assert.ok(bomb.byteLength < 10_000);
  assert.throws(() => decompress(bomb, 1024 * 1024), isDamaged);
  assert.throws(() => decompress(compress(Buffer.alloc(10)), 9), isDamaged);
});

test("decompress() calls damaged what is no frame, or ends early", () => {
  const frame = compress(Buffer.from("something to say, twice: something to say"));
  for (let length = 0; length < frame.byteLength; length++) {
    assert.throws(() => decompress(frame.subarray(0, length), 1_000), isDamaged, `${length}`);
  }
  assert.throws(() => decompress(Buffer.from('{"json": 1}'), 1_000), isDamaged);
});
