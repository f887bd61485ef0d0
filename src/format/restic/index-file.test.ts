import assert from "node:assert/strict";
import { test } from "node:test";
import { isBackupError } from "../../domain/error.ts";
import { fuzzDecoder } from "../../testing/fuzz-decoder.ts";
import { fc } from "../../testing/properties.ts";
import { encodeIndex, parseIndex } from "./index-file.ts";
import type { IndexedPack, PackedBlob } from "./model.ts";

// An index of restic 0.14.0, decrypted and decompressed.
const fromRestic =
  '{"packs":[{"id":"5f31f4a727b40a7744fa66e1bb928d1522b6f906357b79441260edf28489822b","blobs":[{"id":"2' +
  'd711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881","type":"data","offset":0,"length":4' +
  '2,"uncompressed_length":1},{"id":"3a9f19da415513f3e2aef5176cfd286186b5bf8bf2d7ee9f2473dfd3a9d4fdeb",' +
  '"type":"data","offset":42,"length":616413,"uncompressed_length":616356},{"id":"c14e1d46bd3b3d7ea43b6' +
  'd23b7f2a5022c40385632b1ccbf7a26cef922bf97b0","type":"data","offset":982120,"length":2163850,"uncompr' +
  'essed_length":2163757},{"id":"19435cbbcc85b63b9ea66127a89081418dab11e0268e1fefa45646ec0c838d64","typ' +
  'e":"data","offset":616455,"length":365665,"uncompressed_length":365615}]},{"id":"6864cad4f5b1daba59c' +
  '01800158aa5d9784651b57ec5913e6238b1bb37f5127e","blobs":[{"id":"1d25fd0de9871d4d9acec01690d3283ad83c3' +
  'e2499054a3682b58ca93af0d04d","type":"tree","offset":54,"length":1185,"uncompressed_length":6438},{"i' +
  'd":"c2f188d07abe32ced6e51259abd6d607afed95d9661bc18b3612a8ccb1715f63","type":"tree","offset":2245,"l' +
  'ength":250,"uncompressed_length":366},{"id":"0a23cc1ce7d096530ab3d097c47819ff15f6f82153a6829ee536aea' +
  '6db0745a1","type":"tree","offset":1994,"length":251,"uncompressed_length":367},{"id":"159391a59a6717' +
  'b45253746a772aab1cfca92c947f1214495e402316f3700f21","type":"tree","offset":1744,"length":250,"uncomp' +
  'ressed_length":367},{"id":"c0c22a67cb63848e50c5b1455865e30026ac0167ac08dd13d82a50785eb7d6e0","type":' +
  '"tree","offset":1491,"length":253,"uncompressed_length":366},{"id":"d0278824f1bc60586656f878c0cdd323' +
  'ff66a791196a81517ad7f44e3d524a3b","type":"tree","offset":1239,"length":252,"uncompressed_length":368' +
  '},{"id":"ac08ce34ba4f8123618661bef2425f7028ffb9ac740578a3ee88684d2523fee8","type":"tree","offset":0,' +
  '"length":54,"uncompressed_length":13}]}]}' +
  "\n";

function packsOf(bytes: Uint8Array): readonly IndexedPack[] {
  const packs: IndexedPack[] = [];
  parseIndex(bytes, (pack) => packs.push(pack));
  return packs;
}

const objectId = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((bytes) => Buffer.from(bytes).toString("hex"));
const uint32 = fc.nat(0xffff_ffff);
const blob: fc.Arbitrary<PackedBlob> = fc
  .tuple(
    objectId,
    fc.constantFrom("data", "tree"),
    uint32,
    uint32,
    fc.option(fc.integer({ min: 1, max: 0xffff_ffff })),
  )
  .map(([id, type, offset, length, uncompressedLength]) => ({
    ...{ id, type, offset, length },
    ...(uncompressedLength === null ? {} : { uncompressedLength }),
  }));

test("an index of restic's is read and written again byte for byte", () => {
  const packs = packsOf(Buffer.from(fromRestic));
  assert.deepEqual(
    packs.map((pack) => pack.blobs.length),
    [4, 7],
  );
  assert.equal(packs[0]?.blobs[2]?.offset, 982_120);
  assert.equal(packs[1]?.blobs[6]?.uncompressedLength, 13);
  assert.equal(encodeIndex(packs).toString(), fromRestic);
});

test("an index keeps what it says", () => {
  const packs = fc.array(
    fc.record({ id: objectId, blobs: fc.array(blob, { maxLength: 4 }) }, { noNullPrototype: true }),
    {
      maxLength: 4,
    },
  );
  fc.assert(fc.property(packs, (some) => assert.deepEqual(packsOf(encodeIndex(some)), some)));
});

test("an index of an older version, with fields no longer used, is read", () => {
  const id = "ab".repeat(32);
  const text = `{"supersedes":["${id}"],"packs":[{"blobs":[{"type":"data","x":[{}],"length":40,"offset":3,"id":"${id}"}],"id":"${id}"}]}`;
  assert.deepEqual(packsOf(Buffer.from(text)), [
    { id, blobs: [{ id, type: "data", offset: 3, length: 40 }] },
  ]);
  assert.deepEqual(packsOf(Buffer.from('{"packs":null}')), []);
});

test("an index with values that no pack can have is damaged", () => {
  const id = "ab".repeat(32);
  const blobs = [
    ...[
      "{}",
      "null",
      `{"id":"${id}","type":"data","offset":0}`,
      `{"id":"${id}","type":"door","offset":0,"length":1}`,
    ],
    `{"id":"${id}","type":"data","offset":4294967296,"length":1}`,
    `{"id":"${id}","type":"data","offset":0,"length":-1}`,
    `{"id":"${id.slice(1)}","type":"data","offset":0,"length":1}`,
  ];
  const texts = blobs.map((one) => `{"packs":[{"id":"${id}","blobs":[${one}]}]}`);
  for (const text of [
    ...texts,
    "",
    "{}",
    "[]",
    '{"packs":[{"blobs":[]}]}',
    '{"packs":[]}}',
    '{"packs":[],}',
  ]) {
    assert.throws(
      () => packsOf(Buffer.from(text)),
      (error) => isBackupError(error, "damaged"),
      text,
    );
  }
});

test("an index of noise or a spoiled one is damaged or read, nothing else", () => {
  assert.ok(fuzzDecoder(packsOf, [Buffer.from(fromRestic)]) > 500);
});

test("an index of 50,000 blobs is read in time that grows with their number only", () => {
  const id = "ab".repeat(32);
  const blobs = Array.from({ length: 50_000 }, (_, n) => ({
    id,
    type: "data" as const,
    offset: n,
    length: 99,
  }));
  const bytes = encodeIndex([{ id, blobs }]);
  const start = process.threadCpuUsage();
  assert.equal(packsOf(bytes)[0]?.blobs.length, 50_000);
  // A hundred times what it takes; a reader that looks back at every blob takes minutes.
  assert.ok(process.threadCpuUsage(start).user < 5_000_000);
});
