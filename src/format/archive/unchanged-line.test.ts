import assert from "node:assert/strict";
import { test } from "node:test";
import { asByteString } from "../../domain/byte-string.ts";
import { fc } from "../../testing/properties.ts";
import { type EntryFacts, encodeEntryFacts, encodeStoredContent, isUnchangedLine } from "./contents-line.ts";

// Of these years, and of any other, of which the text is shorter or longer.
const times = fc.oneof(
  fc.bigInt(10n ** 18n - 5n, 10n ** 18n + 5n),
  fc.bigInt(1_600_000_000_000_000_000n, 2_000_000_000_000_000_000n),
  fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n),
);
const facts: fc.Arbitrary<EntryFacts> = fc.record({
  kind: fc.constant<"file">("file"),
  root: fc.constantFrom("uploads", "Фото"),
  path: fc.constantFrom("a/b.json", 'a "quoted" one', "\u00ff").map(asByteString),
  mode: fc.nat(0o7777),
  uid: fc.nat(),
  gid: fc.nat(),
  sizeBytes: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
  mtimeNs: times,
  ctimeNs: times,
  inode: fc.oneof(fc.bigInt(0n, 10_000_000n), fc.bigInt(0n, 2n ** 64n - 1n)),
});
const stored = encodeStoredContent({ sha256: "0123456789abcdef".repeat(4), at: 0 });

/** As it is asked in the midst of a text. */
function isUnchanged(line: string, entry: EntryFacts): boolean {
  const before = '0"}\n';
  const text = Buffer.from(`${before}${line}\n0"}\n`, "latin1");
  return isUnchangedLine(text, entry, before.length, before.length + line.length);
}

test("isUnchangedLine() knows every number to its last bit, in the midst of a text", () => {
  fc.assert(
    fc.property(facts, fc.nat(63), (given, bit) => {
      const line = encodeEntryFacts(given) + stored;
      assert.ok(isUnchanged(line, given));
      const others: readonly Partial<EntryFacts>[] = [
        { sizeBytes: given.sizeBytes + 1 },
        { mtimeNs: given.mtimeNs ^ (1n << BigInt(bit)) },
        { ctimeNs: given.ctimeNs ^ (1n << BigInt(bit)) },
        { ctimeNs: given.ctimeNs - 10n ** 9n },
        { inode: given.inode ^ (1n << BigInt(bit)) },
      ];
      for (const other of others)
        assert.ok(!isUnchanged(line, { ...given, ...other }), JSON.stringify(Object.keys(other)));
    }),
  );
});

test("isUnchangedLine() knows numbers only as they are written, and no line that is cut short", () => {
  const [sample] = fc.sample(facts, { numRuns: 1, seed: 1 }) as [EntryFacts];
  const given = { ...sample, sizeBytes: 7, inode: 70n, mtimeNs: 17n * 10n ** 17n };
  const line = encodeEntryFacts(given) + stored;
  assert.ok(isUnchanged(line, given));
  for (const [written, other] of [
    ['"size":7,', '"size":07,'],
    ['"size":7,', '"size":,'],
    ['"inode":"70"', '"inode":"070"'],
    ['"inode":"70"', '"inode":"70 "'],
    ['"mtime_ns":"17', '"mtime_ns":"017'],
    ['"mtime_ns":"17', '"mtime_ns":"1:'],
  ] as const) {
    assert.ok(line.includes(written));
    assert.ok(!isUnchanged(line.replace(written, other), given), other);
  }
  for (let length = 0; length < encodeEntryFacts(given).length; length++)
    assert.ok(!isUnchanged(line.slice(0, length), given), String(length));
});
