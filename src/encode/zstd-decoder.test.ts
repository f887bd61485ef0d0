import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { zstdCompressSync } from "node:zlib";
import { decompressInto } from "./zstd-decoder.ts";

const text = Buffer.from(Array.from({ length: 4_000 }, (_, i) => `line ${(i * 7_919) % 997}\n`).join(""));

function assertDecodes(plain: Buffer): void {
  const target = Buffer.alloc(plain.length);
  assert.equal(decompressInto(zstdCompressSync(plain), target), true);
  assert.ok(target.equals(plain));
}

test("decompressInto() decodes frame after frame with one decoder", () => {
  for (let i = 1; i < 200; i++) assertDecodes(text.subarray(i, i * 200));
  assertDecodes(randomBytes(300_000));
  assertDecodes(Buffer.alloc(9_000_000, "0123456789"));
});

test("decompressInto() refuses a frame that is damaged, cut, or of another size, and decodes the next", async () => {
  const frame = zstdCompressSync(text);
  const target = Buffer.alloc(text.length);
  const damaged = Buffer.from(frame);
  damaged.fill(0xff, 20, 60);
  for (let round = 0; round < 3; round++) {
    assert.equal(decompressInto(frame.subarray(0, frame.length / 2), target), false, "cut");
    assertDecodes(text);
    assert.equal(decompressInto(Buffer.from("no frame at all"), target), false, "no frame");
    assertDecodes(text);
    assert.equal(decompressInto(frame, target.subarray(1)), false, "too large");
    assertDecodes(text);
    assert.equal(decompressInto(frame, Buffer.alloc(text.length + 1)), false, "too small");
    assertDecodes(text);
    if (decompressInto(damaged, target)) assert.ok(!target.equals(text), "damaged");
  }
  // Nothing of it may come back later as an error that nobody handles.
  await setImmediate();
});
