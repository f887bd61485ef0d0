import assert from "node:assert/strict";
import { hash, randomBytes } from "node:crypto";
import { test } from "node:test";
import { decompress } from "../../../encode/zstd.ts";
import { newMasterKey, openBox, sealBox } from "../../../format/restic/crypto-box.ts";
import type { BlobType } from "../../../format/restic/model.ts";
import { parsePackHeader } from "../../../format/restic/pack-header.ts";
import { PackBuilder, packBytes, type SealedPack } from "./pack-builder.ts";

const key = newMasterKey();

function build(type: BlobType, version: 1 | 2, plains: readonly Uint8Array[]): readonly SealedPack[] {
  const packs: SealedPack[] = [];
  const takeBuffer = (): ArrayBuffer => new ArrayBuffer(packBytes);
  const onPack = (pack: SealedPack): void => void packs.push(pack);
  const builder = new PackBuilder({ key, type, version, level: 1, takeBuffer, onPack });
  for (const plain of plains) builder.add(hash("sha256", plain, "hex"), plain);
  builder.finish();
  return packs;
}

/** Reads packs as restic does: from their end. */
function readBack(packs: readonly SealedPack[]): ReadonlyMap<string, Buffer> {
  const found = new Map<string, Buffer>();
  for (const { id, bytes, blobs } of packs) {
    assert.equal(hash("sha256", bytes, "hex"), id);
    const headerLength = Buffer.from(bytes).readUInt32LE(bytes.length - 4);
    const headerAt = bytes.length - 4 - headerLength;
    const header = parsePackHeader(openBox(key, bytes.subarray(headerAt, headerAt + headerLength)));
    assert.deepEqual(header, blobs);
    for (const blob of header) {
      const inside = openBox(key, bytes.subarray(blob.offset, blob.offset + blob.length));
      const { uncompressedLength } = blob;
      const plain = uncompressedLength === undefined ? inside : decompress(inside, uncompressedLength);
      assert.equal(hash("sha256", plain, "hex"), blob.id);
      found.set(blob.id, plain);
    }
  }
  return found;
}

test("add() puts every blob into a pack that can be read from its end, compressed only where that pays", () => {
  const text = Buffer.from("the same words again and again ".repeat(5_000));
  const plains = [text, randomBytes(300_000), randomBytes(1), Buffer.alloc(0), text.subarray(0, 60)];
  const packs = build("data", 2, plains);
  assert.equal(readBack(packs).size, plains.length);
  const sizes = new Map(packs.flatMap(({ blobs }) => blobs).map((blob) => [blob.id, blob]));
  const of = (plain: Uint8Array) => sizes.get(hash("sha256", plain, "hex"));
  assert.ok((of(text)?.length ?? 0) < text.length / 10);
  assert.equal(of(plains[1]!)?.uncompressedLength, undefined);
  assert.equal(of(plains[1]!)?.length, 300_032);
});

test("add() never makes a pack larger than its target, except of one blob that is larger", () => {
  const plains = Array.from({ length: 30 }, () => randomBytes(1_500_000));
  const packs = build("data", 2, [...plains, randomBytes(packBytes + 5)]);
  assert.equal(readBack(packs).size, 31);
  for (const { bytes, blobs } of packs) assert.ok(bytes.length <= packBytes || blobs.length === 1);
  assert.ok(packs.length <= 6, `${packs.length} packs`);
});

test("add() spreads neighbours over several packs", () => {
  const packs = build(
    "data",
    2,
    Array.from({ length: 64 }, () => randomBytes(100)),
  );
  assert.equal(packs.length, 2);
  assert.ok(packs.every(({ blobs }) => blobs.length > 8));
});

test("add() always compresses trees in version 2, and nothing in version 1", () => {
  const tree = Buffer.from('{"nodes":[]}\n');
  assert.equal(build("tree", 2, [tree])[0]?.blobs[0]?.uncompressedLength, tree.length);
  const text = Buffer.from("words ".repeat(1_000));
  const [old] = build("data", 1, [text]);
  assert.equal(old?.blobs[0]?.uncompressedLength, undefined);
  assert.equal(readBack([old!]).size, 1);
});

test("addSealed() takes a blob over in the envelope it has", () => {
  const packs: SealedPack[] = [];
  const builder = new PackBuilder({
    key,
    type: "data",
    version: 2,
    level: 1,
    takeBuffer: () => new ArrayBuffer(packBytes),
    onPack: (pack) => void packs.push(pack),
  });
  const plain = randomBytes(1_000);
  builder.addSealed(hash("sha256", plain, "hex"), sealBox(key, plain), undefined);
  builder.finish();
  assert.ok(
    readBack(packs)
      .get(hash("sha256", plain, "hex"))
      ?.equals(plain),
  );
});
