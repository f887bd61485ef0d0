import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { test } from "node:test";
import { isBackupError } from "../../domain/error.ts";
import { compress } from "../../encode/zstd.ts";
import { newMasterKey, sealBox } from "../../format/restic/crypto-box.ts";
import { encodeIndex } from "../../format/restic/index-file.ts";
import { scanIndex } from "../../format/restic/index-scan.ts";
import type { BlobType, IndexedPack, PackedBlob } from "../../format/restic/model.ts";
import { fc } from "../../testing/properties.ts";
import { BlobIndex } from "./blob-index.ts";
import { openBlob } from "./read/decode-blobs.ts";

const id = (number: number): string => hash("sha256", `${number}`, "hex");

function blob(number: number, type: BlobType, offset: number, uncompressed = 0): PackedBlob {
  const place = { id: id(number), type, offset, length: 100 + number };
  return uncompressed === 0 ? place : { ...place, uncompressedLength: uncompressed };
}

test("find() agrees with a plain list after any packs were added in any order, some of them twice", () => {
  const anyBlob = fc.record({
    number: fc.integer({ min: 0, max: 40 }),
    type: fc.constantFrom<BlobType>("data", "tree"),
    plain: fc.integer({ min: 0, max: 5 }),
  });
  fc.assert(
    fc.property(fc.array(fc.array(anyBlob, { maxLength: 12 }), { maxLength: 12 }), (packs) => {
      const index = new BlobIndex();
      const model: (PackedBlob & { pack: string })[] = [];
      index.reserve(packs.length * 50);
      for (const [number, blobs] of packs.entries()) {
        const pack: IndexedPack = {
          id: id(1_000 + number),
          blobs: blobs.map((one, i) => blob(one.number, one.type, i * 200, one.plain)),
        };
        const scanned = scanIndex(encodeIndex([pack]));
        if (scanned === undefined || number % 2 === 0) index.add(pack);
        else index.addScanned(scanned);
        if (scanned === undefined || number % 3 === 0) index.add(pack);
        else index.addScanned(scanned);
        model.push(...pack.blobs.map((one) => ({ ...one, pack: pack.id })));
      }
      assert.equal(index.size, model.length);
      for (let number = 0; number <= 40; number++) {
        for (const type of ["data", "tree"] as const) {
          const wanted = model.filter((one) => one.id === id(number) && one.type === type);
          const found = index.findAll(id(number), type);
          assert.deepEqual(new Set(found), new Set(wanted));
          assert.equal(index.has(id(number), type), wanted.length > 0);
          assert.deepEqual(index.find(id(number), type), found[0]);
        }
      }
      assert.deepEqual(
        [...index.packs()].flatMap(({ id: pack, blobs }) => blobs.map((one) => ({ ...one, pack }))),
        model,
      );
    }),
    { numRuns: 60 },
  );
});

test("add() of a pack that another index lists in part adds only what is new", () => {
  const index = new BlobIndex();
  index.add({ id: id(0), blobs: [blob(1, "data", 0)] });
  index.add({ id: id(0), blobs: [blob(1, "data", 0), blob(2, "data", 200)] });
  assert.deepEqual([index.size, index.packCount], [2, 1]);
  assert.deepEqual([...index.packs()], [{ id: id(0), blobs: [blob(1, "data", 0), blob(2, "data", 200)] }]);
});

test("add() refuses places that no pack has, and adds nothing of the pack", () => {
  for (const bad of [
    { offset: -1 },
    { length: 2 ** 32 },
    { offset: 0.5 },
    { uncompressedLength: -1 },
    { id: "ab" },
  ]) {
    const index = new BlobIndex();
    const blobs = [blob(1, "data", 0), { ...blob(2, "data", 0), ...bad }];
    assert.throws(
      () => index.add({ id: id(0), blobs }),
      (error) => isBackupError(error, "damaged"),
    );
    assert.deepEqual([index.size, index.packCount], [0, 0]);
  }
});

test("find() knows nothing of what is no id", () => {
  const index = new BlobIndex();
  index.add({ id: id(0), blobs: [blob(1, "data", 0)] });
  for (const text of ["", "latest", id(1).slice(1), `${id(1).slice(0, 63)}x`, `${id(1)}00`]) {
    assert.equal(index.has(text, "data"), false);
  }
});

test("an index of 250,000 blobs takes under 75 bytes a blob, and is searched at microseconds each", () => {
  const index = new BlobIndex();
  const count = 250_000;
  const before = process.memoryUsage().arrayBuffers;
  index.reserve(count);
  for (let pack = 0; pack < count / 100; pack++) {
    const blobs = Array.from({ length: 100 }, (_, i) => blob(pack * 100 + i, "data", i * 1_000));
    index.add({ id: id(-1 - pack), blobs });
  }
  const bytesEach = (process.memoryUsage().arrayBuffers - before) / count;
  assert.ok(bytesEach < 75, `${bytesEach} bytes a blob`);
  const raw = [...index.rawIds()].length;
  assert.equal(raw, count);
  const wanted = Array.from({ length: 20_000 }, (_, i) => id(i * 7));
  const searching = process.threadCpuUsage();
  for (const one of wanted) assert.ok(index.has(one, "data"));
  const { user } = process.threadCpuUsage(searching);
  const usEach = user / wanted.length;
  // Fifty times what it takes: this is to notice a table that degenerates, not a slow or a busy machine.
  assert.ok(usEach < 50, `${usEach} microseconds each`);
});

test("find() knows an empty blob that another program compressed, from a pack's header and from an index file", () => {
  const empty = { id: hash("sha256", "", "hex"), type: "data", offset: 0 } as const;
  const packs = [
    { id: id(1), blobs: [{ ...empty, length: 45, uncompressedLength: 0 }] },
    { id: id(2), blobs: [{ ...empty, length: 32 }] },
  ];
  const fromHeaders = new BlobIndex();
  for (const pack of packs) fromHeaders.add(pack);
  assert.deepEqual([...fromHeaders.packs()], packs);
  const asOthersWriteIt = packs.map((pack) => ({
    ...pack,
    blobs: pack.blobs.map(({ id: blobId, type, offset, length }) => ({ id: blobId, type, offset, length })),
  }));
  const fromFile = new BlobIndex();
  fromFile.addScanned(scanIndex(encodeIndex(asOthersWriteIt)) ?? assert.fail());
  assert.deepEqual([...fromFile.packs()], packs);
});

test("an empty blob that is compressed is opened as any other", () => {
  const key = newMasterKey();
  const box = sealBox(key, compress(new Uint8Array()));
  assert.equal(openBlob(key, box, { uncompressedLength: 0 }).length, 0);
});
