import assert from "node:assert/strict";
import { test } from "node:test";
import { asByteString } from "../../domain/byte-string.ts";
import type { Entry } from "../../domain/entry.ts";
import { fc } from "../../testing/properties.ts";
import { EntryPacker, unpackEntries } from "./entry-columns.ts";

const root = "uploads";
const directory = asByteString("/srv/uploads");

const attributes = fc.record({
  path: fc.stringMatching(/^[a-z]{1,9}$/).map(asByteString),
  mode: fc.integer({ min: 0, max: 0o7777 }),
  uid: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  gid: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  // Times after 2262 take more than 64 bits.
  mtimeNs: fc.oneof(fc.bigInt({ min: 0n, max: 2n ** 61n }), fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n })),
  ctimeNs: fc.bigInt({ min: 0n, max: 2n ** 61n }),
  inode: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  deviceId: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  links: fc.integer({ min: 1, max: 9 }),
  sizeBytes: fc.integer({ min: 0, max: 2 ** 52 }),
});

const entry: fc.Arbitrary<Entry> = fc.oneof(
  attributes.map((file): Entry => {
    const path = asByteString(`${directory}/${file.path}`);
    return { root, ...file, kind: "file", content: { from: "path", path } };
  }),
  attributes.map((folder): Entry => ({ root, ...folder, kind: "directory" })),
  attributes.map((link): Entry => ({ root, ...link, kind: "symlink", linkTarget: asByteString("../x") })),
  attributes.map((name): Entry => ({ root, ...name, kind: "file", hardLinkTo: asByteString("first") })),
);

test("unpackEntries() gives the entries that were packed, whatever they are", () => {
  fc.assert(
    fc.property(fc.array(entry, { minLength: 1, maxLength: 20 }), (entries) => {
      const packer = new EntryPacker(entries.length);
      for (const one of entries) packer.push(one);
      assert.deepEqual(unpackEntries(packer.pack(), root, directory), entries);
    }),
  );
});
