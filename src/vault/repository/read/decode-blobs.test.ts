import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { test } from "node:test";
import { compress } from "../../../encode/zstd.ts";
import { boxOverheadBytes, newMasterKey, sealBox } from "../../../format/restic/crypto-box.ts";
import { takeBlob } from "./decode-blobs.ts";

const key = newMasterKey();
const plain = Buffer.from("a tree of some folder, ".repeat(400));
const id = hash("sha256", plain, "hex");
const raw = sealBox(key, plain);
const small = sealBox(key, compress(plain));

const blobOf = (box: Uint8Array, uncompressedLength?: number) => ({
  id,
  length: box.length,
  ...(uncompressedLength === undefined ? {} : { uncompressedLength }),
});

test("takeBlob() gives the bytes of a blob, compressed or not, each in memory of its own", () => {
  const first = takeBlob(key, small, blobOf(small, plain.length));
  const second = takeBlob(key, raw, blobOf(raw));
  assert.deepEqual(first, plain);
  assert.deepEqual(second, plain);
  assert.notEqual(first?.buffer, takeBlob(key, small, blobOf(small, plain.length))?.buffer);
  const empty = sealBox(key, Buffer.alloc(0));
  const named = { id: hash("sha256", "", "hex"), length: boxOverheadBytes };
  assert.equal(takeBlob(key, empty, named)?.length, 0);
});

test("takeBlob() gives nothing of a blob that is not whole, or not the one that is wanted", () => {
  const flipped = Buffer.from(small);
  flipped[40]! ^= 1;
  const other = sealBox(key, compress(Buffer.from(plain).fill("x", 5, 6)));
  const cut = sealBox(key, compress(plain).subarray(0, -3));
  for (const [box, blob] of [
    [flipped, blobOf(flipped, plain.length)],
    [small.subarray(0, -1), blobOf(small, plain.length)],
    [other, blobOf(other, plain.length)],
    [cut, blobOf(cut, plain.length)],
    [small, blobOf(small, plain.length - 1)],
    [small, blobOf(small, plain.length + 1)],
    [small, blobOf(small)],
    [raw, blobOf(raw, plain.length)],
    [Buffer.alloc(0), { id, length: 0 }],
  ] as const)
    assert.equal(takeBlob(key, box, blob), undefined);
  // What came before leaves nothing behind in the decoder.
  assert.deepEqual(takeBlob(key, small, blobOf(small, plain.length)), plain);
});
