import assert from "node:assert/strict";
import { test } from "node:test";
import { asByteString } from "../../domain/byte-string.ts";
import { BackupError, isBackupError } from "../../domain/error.ts";
import { fc } from "../../testing/properties.ts";
import type { EntryFacts } from "./contents-line.ts";
import {
  encodeContentsHeader,
  encodeEntryFacts,
  encodeRun,
  encodeStoredContent,
  isUnchangedLine,
} from "./contents-line.ts";
import { parseContentsHeader, parseEntryLine, parseMembersLine, parseRunLine } from "./contents-parse.ts";

const sha256 = "0123456789abcdef".repeat(4);
const byteNames = fc
  .uint8Array({ minLength: 1, maxLength: 40 })
  .map((bytes) => asByteString(`n${Buffer.from(bytes).toString("latin1").replace(/[/\0]/g, "_")}`));
const textNames = fc
  .string({ minLength: 1, unit: "grapheme" })
  .map((text) => asByteString(`n${Buffer.from(text.replace(/[/\0]/g, "_")).toString("latin1")}`));

const facts: fc.Arbitrary<EntryFacts> = fc.record({
  kind: fc.constant<"file">("file"),
  root: fc.constantFrom("uploads", "Фото", 'a "quoted" one'),
  path: fc.oneof(byteNames, textNames),
  mode: fc.nat(0o7777),
  uid: fc.nat(),
  gid: fc.nat(),
  sizeBytes: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
  mtimeNs: fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n),
  ctimeNs: fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n),
  inode: fc.bigInt(0n, 2n ** 64n - 1n),
});

test("an entry line gives back every field, whatever the name's bytes", () => {
  fc.assert(
    fc.property(facts, fc.nat(), (given, at) => {
      const line = encodeEntryFacts(given) + encodeStoredContent({ sha256, at });
      // As it passes through a file.
      const read = parseEntryLine(Buffer.from(line, "latin1").toString("latin1"));
      assert.deepEqual(read, { entry: { ...given, sha256, contentId: sha256 }, at });
      assert.ok(!line.includes("\n"));
    }),
  );
});

test("lines of links and directories need nothing but their facts", () => {
  const base = fc.sample(facts, 1)[0]!;
  const symlink = { ...base, kind: "symlink" as const, linkTarget: asByteString("a\xffb") };
  const hardLink = { ...base, hardLinkTo: asByteString("a/b") };
  const directory = { ...base, kind: "directory" as const };
  for (const entry of [symlink, hardLink, directory]) {
    assert.deepEqual(parseEntryLine(encodeEntryFacts(entry)), { entry, at: 0 });
  }
});

function isUnchanged(line: string, entry: EntryFacts): boolean {
  return isUnchangedLine(Buffer.from(line, "latin1"), entry);
}

test("isUnchangedLine() accepts the same facts only, and not what must be read again", () => {
  const [one, two] = fc.sample(facts, { numRuns: 2, seed: 1 }) as [EntryFacts, EntryFacts];
  const line = encodeEntryFacts(one) + encodeStoredContent({ sha256, at: 512 });
  assert.ok(isUnchanged(line, one));
  assert.ok(!isUnchanged(line, two));
  const again = encodeEntryFacts(one) + encodeStoredContent({ sha256, at: 512, reread: "image" });
  assert.ok(!isUnchanged(again, one));
  const directory = { ...one, kind: "directory" } as const;
  assert.ok(isUnchanged(encodeEntryFacts(directory), directory));
});

test("isUnchangedLine() notices every single fact that is another", () => {
  fc.assert(
    fc.property(facts, (given) => {
      const line = encodeEntryFacts(given) + encodeStoredContent({ sha256, at: 0 });
      assert.ok(isUnchanged(line, given));
      const others: readonly Partial<EntryFacts>[] = [
        { kind: "directory" },
        { root: `${given.root}x` },
        { path: asByteString(`${given.path}x`) },
        { mode: given.mode ^ 1 },
        { uid: given.uid + 1 },
        { gid: given.gid + 1 },
        { sizeBytes: given.sizeBytes + 1 },
        { mtimeNs: given.mtimeNs + 1n },
        { ctimeNs: given.ctimeNs + 1n },
        { inode: given.inode + 1n },
        { linkTarget: asByteString("x") },
        { hardLinkTo: asByteString("x") },
      ];
      for (const other of others)
        assert.ok(!isUnchanged(line, { ...given, ...other }), JSON.stringify(Object.keys(other)));
    }),
  );
});

test("a run of many members is spread over several lines and comes back", () => {
  const members = Array.from({ length: 2500 }, (_, i) => ({
    storedBytes: i + 30,
    rawBytes: i,
    crc32: i * 7,
  }));
  const [first, ...more] = encodeRun({ offset: 77, entryCount: 1, members }) as [string, ...string[]];
  const run = parseRunLine(first);
  assert.equal(run.offset, 77);
  assert.equal(run.memberCount, 2500);
  assert.deepEqual([...run.members, ...more.flatMap(parseMembersLine)], members);
});

test("the header names the roots, and a newer format is refused by name", () => {
  const line = encodeContentsHeader("storage/x.tar.gz", [{ name: "Фото", path: "/srv/Фото" }]);
  assert.deepEqual(parseContentsHeader(line), { rootNames: ["Фото"] });
  const newer = line.replace('"contents_format_version":1', '"contents_format_version":2');
  assert.throws(
    () => parseContentsHeader(newer),
    (error) => isBackupError(error, "unsupported"),
  );
});

test("a path that leads out of its root is refused as unsafe", () => {
  const base = fc.sample(facts, 1)[0]!;
  for (const path of ["../x", "a/../../x", "/etc/passwd", "a//b", ".", "a/."]) {
    const line =
      encodeEntryFacts({ ...base, path: asByteString(path) }) + encodeStoredContent({ sha256, at: 0 });
    assert.throws(
      () => parseEntryLine(line),
      (error) => isBackupError(error, "unsafe"),
      path,
    );
  }
});

test("whatever a line says, parsing it answers or calls it damaged, unsafe or unsupported", () => {
  const value = fc.oneof(fc.jsonValue(), fc.constantFrom(-1, 1e300, 2 ** 53, "\u0416", { base64: 5 }));
  const fields = fc.dictionary(
    fc.constantFrom(
      "kind",
      "root",
      "path",
      "mode",
      "uid",
      "size",
      "mtime_ns",
      "at",
      "members",
      "offset",
      "roots",
    ),
    value,
  );
  const parsers = [parseEntryLine, parseRunLine, parseMembersLine, parseContentsHeader];
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fields.map((object) => JSON.stringify(object)),
      ),
      (line) => {
        for (const parse of parsers) {
          try {
            parse(line);
          } catch (error) {
            assert.ok(error instanceof BackupError, String(error));
          }
        }
      },
    ),
  );
});
