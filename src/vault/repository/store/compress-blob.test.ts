import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { decompress } from "../../../encode/zstd.ts";
import { compressBlob, defaultLevel } from "./compress-blob.ts";

const text = Buffer.from("nothing new under the sun, ".repeat(40_000));

test("compressBlob() makes text smaller, whatever its length", () => {
  for (const length of [100, 5_000, 127 * 1024, 129 * 1024, text.length]) {
    const plain = text.subarray(0, length);
    const frame = compressBlob(plain, defaultLevel);
    assert.ok(frame !== undefined && frame.length < length, `${length} bytes`);
    assert.ok(decompress(frame, length).equals(plain));
  }
});

test("compressBlob() leaves noise as it is, and what is too short", () => {
  for (const length of [0, 1, 63, 1_000, 200_000]) {
    assert.equal(compressBlob(randomBytes(length), defaultLevel), undefined, `${length} bytes`);
  }
  assert.equal(compressBlob(Buffer.alloc(20), defaultLevel), undefined);
});

test("compressBlob() is not fooled by a head that does not compress", () => {
  const late = Buffer.concat([randomBytes(65_536), text]);
  assert.ok((compressBlob(late, defaultLevel)?.length ?? late.length) < late.length / 4);
});
