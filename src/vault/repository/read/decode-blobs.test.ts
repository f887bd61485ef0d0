import assert from "node:assert/strict";
import { createCipheriv, hash } from "node:crypto";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { compress } from "../../../encode/zstd.ts";
import { boxOverheadBytes, newMasterKey, sealBox } from "../../../format/restic/crypto-box.ts";
import { checkBlob, decodeBlobs, takeBlob } from "./decode-blobs.ts";

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

/** What a restored file holds after a blob was decoded into it, and what is said of the blob. */
function restore(
  box: Uint8Array,
  blob: ReturnType<typeof blobOf>,
): { state: string | undefined; held: Buffer } {
  const folder = mkdtempSync(join(tmpdir(), "decode-blobs-"));
  const path = join(folder, "file");
  const descriptor = openSync(path, "wx");
  try {
    const wanted = { ...blob, offset: 0, at: 0, to: [{ descriptor, position: 0 }] };
    const [failure] = decodeBlobs(key, { pieces: [Buffer.from(box)], blobs: [wanted] });
    return { state: failure?.state, held: readFileSync(path) };
  } finally {
    closeSync(descriptor);
    rmSync(folder, { recursive: true });
  }
}

const flippedAt = (box: Uint8Array, at: number): Buffer => {
  const changed = Buffer.from(box);
  changed[at]! ^= 1;
  return changed;
};

test("decodeBlobs() writes nothing of a blob that is not the one its file wants, and names what is wrong as ever", () => {
  const withoutIv = Buffer.alloc(raw.length);
  createCipheriv("aes-256-ctr", key.encrypt, withoutIv.subarray(0, 16)).update(plain).copy(withoutIv, 16);
  const other = sealBox(key, Buffer.from(plain).fill("x", 5, 6));
  const inner = compress(plain);
  const cases: readonly (readonly [Uint8Array, ReturnType<typeof blobOf>, RegExp])[] = [
    [flippedAt(raw, 0), blobOf(raw), /^its MAC does not fit/],
    [flippedAt(raw, 16), blobOf(raw), /^its MAC does not fit/],
    [flippedAt(raw, raw.length - 17), blobOf(raw), /^its MAC does not fit/],
    [withoutIv, blobOf(withoutIv), /^its IV is all zeros/],
    [other, blobOf(other), /^its SHA-256 is /],
    [raw.subarray(0, -1), blobOf(raw), /^the pack ends 1 bytes too early/],
    [raw.subarray(0, 31), blobOf(raw.subarray(0, 31)), /^it has 31 bytes, wanted 32/],
    [raw.subarray(0, -1), blobOf(raw.subarray(0, -1)), /^its MAC does not fit/],
    [sealBox(key, inner.subarray(0, -3)), blobOf(raw.subarray(0, inner.length + 29), plain.length), /./],
  ];
  for (const [box, blob, state] of cases) {
    const restored = restore(box, blob);
    assert.match(restored.state ?? "", state);
    assert.equal(restored.held.length, 0, restored.state);
  }
});

test("decodeBlobs() takes the SHA-256 of stored content for its MAC, but never of what is compressed, or only checked", () => {
  assert.deepEqual(restore(raw, blobOf(raw)), { state: undefined, held: plain });
  assert.deepEqual(restore(small, blobOf(small, plain.length)), { state: undefined, held: plain });
  const unproven = flippedAt(raw, raw.length - 1);
  assert.deepEqual(restore(unproven, blobOf(raw)), { state: undefined, held: plain });
  const unprovenSmall = flippedAt(small, small.length - 1);
  const { state, held } = restore(unprovenSmall, blobOf(small, plain.length));
  assert.match(state ?? "", /^its MAC does not fit/);
  assert.equal(held.length, 0);
  // Whoever verifies names it all the same, and a copy of it is not taken for whole.
  const place = { ...blobOf(raw), offset: 0, at: 0 };
  assert.match(checkBlob(key, unproven, place) ?? "", /^its MAC does not fit/);
  assert.match(decodeBlobs(key, { pieces: [unproven], blobs: [place] })[0]?.state ?? "", /^its MAC does not/);
  assert.equal(takeBlob(key, flippedAt(raw, raw.length - 1), blobOf(raw)), undefined);
});
