import assert from "node:assert/strict";
import { test } from "node:test";
import { isBackupError } from "../../domain/error.ts";
import { fuzzDecoder } from "../../testing/fuzz-decoder.ts";
import { fc } from "../../testing/properties.ts";
import type { PackedBlob } from "./model.ts";
import {
  encodePackHeader,
  packHeaderBytesMax,
  packHeaderEntryBytes,
  parsePackHeader,
} from "./pack-header.ts";

// The header of a pack of restic 0.14.0, decrypted.
const fromRestic: Buffer = Buffer.from(
  "022a000000010000002d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a488102dd670900a46709003a9f19da415513f3e2aef5176cfd286186b5bf8bf2d7ee9f2473dfd3a9d4fdeb02619405002f94050019435cbbcc85b63b9ea66127a89081418dab11e0268e1fefa45646ec0c838d64028a0421002d042100c14e1d46bd3b3d7ea43b6d23b7f2a5022c40385632b1ccbf7a26cef922bf97b0",
  "hex",
);

const objectId = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((bytes) => Buffer.from(bytes).toString("hex"));

const blobs: fc.Arbitrary<readonly PackedBlob[]> = fc
  .array(
    fc.record({
      id: objectId,
      type: fc.constantFrom("data", "tree"),
      length: fc.integer({ min: 32, max: 100_000_000 }),
      uncompressedLength: fc.nat(0xffff_ffff),
      isCompressed: fc.boolean(),
    }),
    { maxLength: 20 },
  )
  .map((entries) => {
    let offset = 0;
    return entries.map(({ id, type, length, uncompressedLength, isCompressed }) => {
      const blob = { id, type, offset, length, ...(isCompressed ? { uncompressedLength } : {}) };
      offset += length;
      return blob;
    });
  });

test("a header of restic's is read and written again byte for byte", () => {
  const packed = parsePackHeader(fromRestic);
  assert.deepEqual(
    packed.map(({ offset, length, uncompressedLength }) => [offset, length, uncompressedLength]),
    [
      [0, 42, 1],
      [42, 616413, 616356],
      [616455, 365665, 365615],
      [982120, 2163850, 2163757],
    ],
  );
  assert.ok(encodePackHeader(packed).equals(fromRestic));
});

test("a header keeps what it says, and its size is known before", () => {
  fc.assert(
    fc.property(blobs, (some) => {
      const header = encodePackHeader(some);
      assert.deepEqual(parsePackHeader(header), some);
      const sizes = some.map((one) => packHeaderEntryBytes(one.uncompressedLength !== undefined));
      assert.equal(
        header.length,
        sizes.reduce((sum, size) => sum + size, 0),
      );
    }),
  );
});

test("a header that is cut, too long, or says what cannot be is damaged", () => {
  const entry = encodePackHeader([{ id: "ab".repeat(32), type: "data", offset: 0, length: 32 }]);
  const unknownType = Buffer.from(entry).fill(4, 0, 1);
  const tooShort = Buffer.from(entry).fill(31, 1, 2);
  const huge = Buffer.from(entry).fill(0xff, 1, 5);
  const wrong = [
    unknownType,
    tooShort,
    Buffer.concat([huge, entry]),
    entry.subarray(0, 36),
    entry.subarray(0, 1),
  ];
  for (const header of [...wrong, Buffer.alloc(packHeaderBytesMax + 1)]) {
    assert.throws(
      () => parsePackHeader(header),
      (error) => isBackupError(error, "damaged"),
    );
  }
  assert.deepEqual(parsePackHeader(Buffer.alloc(0)), []);
});

test("a header of noise or a spoiled one is damaged or read, nothing else", () => {
  assert.ok(fuzzDecoder(parsePackHeader, [fromRestic]) > 500);
});
