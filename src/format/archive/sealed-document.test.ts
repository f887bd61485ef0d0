import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { checkSeal, encodeSealed } from "./sealed-document.ts";

const document = { format_version: 1, host: "wéb1", problems: [{ path: "a\nb" }] };

test("encodeSealed() writes the document as JSON with the checksum of the lines above as its last field", () => {
  const bytes = encodeSealed(document);
  const { sha256_above: sum, ...rest } = JSON.parse(bytes.toString("utf8"));
  assert.deepEqual(rest, document);
  assert.equal(checkSeal(bytes), "intact");
  const stock = execFileSync("sh", ["-c", "head -n -2 | sha256sum"], { input: bytes, encoding: "utf8" });
  assert.equal(stock.slice(0, 64), sum);
});

test("checkSeal() calls no document intact in which any bit was flipped, added or cut off", () => {
  const bytes = encodeSealed(document);
  for (let bit = 0; bit < bytes.byteLength * 8; bit++) {
    const flipped = Buffer.from(bytes);
    flipped.writeUInt8(flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    assert.notEqual(checkSeal(flipped), "intact", `bit ${bit}`);
  }
  for (let length = 0; length < bytes.byteLength; length++) {
    assert.notEqual(checkSeal(bytes.subarray(0, length)), "intact");
  }
  assert.equal(checkSeal(Buffer.concat([bytes, Buffer.from("\n")])), "unsealed");
  assert.equal(checkSeal(Buffer.from('{"format_version": 1}')), "unsealed");
});
