import assert from "node:assert/strict";
import { test } from "node:test";
import { fc } from "../../testing/properties.ts";
import { encodeIndex, parseIndex } from "./index-file.ts";
import { fieldsPerRow, type ScannedIndex, scanIndex } from "./index-scan.ts";
import type { IndexedPack } from "./model.ts";

const number = fc.oneof(fc.constantFrom(0, 1, 0xffff_ffff), fc.nat());
const id = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString("hex"));
const blob = fc
  .record({
    id,
    type: fc.constantFrom("data" as const, "tree" as const),
    offset: number,
    length: number,
    plain: number,
  })
  .map(({ plain, ...rest }) => (plain === 0 ? rest : { ...rest, uncompressedLength: plain }));
const packs = fc.array(fc.record({ id, blobs: fc.array(blob, { minLength: 1, maxLength: 6 }) }), {
  minLength: 1,
  maxLength: 6,
});

/** What was scanned as the general way of reading gives it. */
function asPacks({ packs: ids, starts, ids: rowIds, fields }: ScannedIndex): readonly IndexedPack[] {
  return ids.map((pack, i) => {
    const blobs = [];
    for (let row = starts[i] ?? 0; row < (starts[i + 1] ?? 0); row++) {
      const [type, offset = 0, length = 0, plain = 0] = fields.subarray(row * fieldsPerRow);
      const text = Buffer.from(rowIds.subarray(row * 32, row * 32 + 32)).toString("hex");
      const one = { id: text, type: type === 1 ? ("tree" as const) : ("data" as const), offset, length };
      blobs.push(plain === 0 ? one : { ...one, uncompressedLength: plain });
    }
    return { id: pack, blobs };
  });
}

function parsed(bytes: Uint8Array): readonly IndexedPack[] | undefined {
  const found: IndexedPack[] = [];
  try {
    parseIndex(bytes, (pack) => found.push(pack));
    return found;
  } catch {
    return undefined;
  }
}

test("scanIndex() reads what this program writes, with and without a newline at the end", () => {
  fc.assert(
    fc.property(packs, (written) => {
      const bytes = encodeIndex(written);
      for (const one of [bytes, bytes.subarray(0, -1)]) {
        const scanned = scanIndex(one);
        assert.ok(scanned !== undefined);
        assert.deepEqual(asPacks(scanned), parsed(bytes));
      }
    }),
  );
});

test("scanIndex() of bytes that were changed gives what the general way gives, or nothing", () => {
  let differed = 0;
  fc.assert(
    fc.property(
      packs,
      fc.nat(),
      fc.nat({ max: 255 }),
      fc.constantFrom("change", "cut", "insert"),
      (written, at, byte, how) => {
        const bytes = encodeIndex(written);
        const i = at % bytes.length;
        const bent =
          how === "cut"
            ? bytes.subarray(0, i)
            : Buffer.concat([
                bytes.subarray(0, i),
                Buffer.from([byte]),
                bytes.subarray(how === "change" ? i + 1 : i),
              ]);
        const scanned = scanIndex(bent);
        if (scanned === undefined) differed++;
        else assert.deepEqual(asPacks(scanned), parsed(bent));
      },
    ),
    { numRuns: 500 },
  );
  assert.ok(differed > 200, "most changes are noticed");
});

test("scanIndex() leaves JSON that is written in another way to the general reader", () => {
  const [one] = fc.sample(packs, 1);
  const value = JSON.parse(encodeIndex(one ?? []).toString());
  for (const text of [
    JSON.stringify(value, undefined, 1),
    JSON.stringify({ supersedes: [], ...value }),
    JSON.stringify({ ...value, later: 1 }),
    '{"packs":[]}',
    '{"packs":null}',
    "",
  ]) {
    assert.equal(scanIndex(Buffer.from(text)), undefined);
  }
});
