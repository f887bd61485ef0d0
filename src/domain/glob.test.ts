import assert from "node:assert/strict";
import { posix } from "node:path";
import { test } from "node:test";
import { fc } from "../testing/properties.ts";
import { isBackupError } from "./error.ts";
import { parseGlob } from "./glob.ts";

/** Paths a pattern is to find, and paths it is not. */
const cases: readonly [pattern: string, found: readonly string[], not: readonly string[]][] = [
  ["*.jpg", ["a.jpg", "uploads/2024/a.jpg", ".jpg"], ["a.jpeg", "a.jpg/b"]],
  ["app.db", ["app.db", "uploads/app.db"], ["app_db", "app.db.bak"]],
  ["photo-?.jpg", ["x/photo-1.jpg", "photo-\u{1f600}.jpg"], ["photo-12.jpg", "photo-.jpg"]],
  ["[a-c][!0-9]*", ["ab", "x/cz1"], ["a1", "db"]],
  ["[]x]", ["]", "x"], ["y"]],
  ["uploads/*/a", ["uploads/x/a"], ["uploads/a", "uploads/x/y/a", "z/uploads/x/a"]],
  ["uploads/**", ["uploads/a", "uploads/a/b"], ["uploads", "up/loads/a"]],
  ["**/a/**/b", ["a/b", "x/y/a/b", "a/x/y/b"], ["a", "b", "x/b"]],
  ["/uploads/a", ["uploads/a"], ["x/uploads/a"]],
  ["a\\*b", ["a*b"], ["axb"]],
  ["a**b", ["ab", "axxb"], ["a/b"]],
  ["", [], []],
];

test("parseGlob() finds names at any depth, and paths where the pattern has a slash", () => {
  for (const [pattern, found, not] of cases.filter(([text]) => text !== "")) {
    const glob = parseGlob(pattern);
    for (const path of found) assert.ok(glob.matches(path), `${pattern} finds ${path}`);
    for (const path of not) assert.ok(!glob.matches(path), `${pattern} does not find ${path}`);
  }
});

test("parseGlob() tells folders-only and anchored patterns, and ignores case where asked", () => {
  assert.deepEqual([parseGlob("2024/").foldersOnly, parseGlob("2024").foldersOnly], [true, false]);
  assert.deepEqual([parseGlob("/srv/x").anchored, parseGlob("srv/x").anchored], [true, false]);
  assert.equal(parseGlob("*.JPG", true).matches("A/b.jpg"), true);
  assert.equal(parseGlob("*.JPG").matches("b.jpg"), false);
});

test("parseGlob() refuses what finds nothing", () => {
  for (const pattern of ["", "/", "//", "[abc", "a/[", "x".repeat(5000)]) {
    assert.throws(
      () => parseGlob(pattern),
      (error) => isBackupError(error, "invalid-input"),
      pattern,
    );
  }
});

test("a glob agrees with Node's own on patterns of plain stars and question marks", () => {
  const name = fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: 1, maxLength: 6 });
  const wild = fc.string({ unit: fc.constantFrom("a", "b", "*", "?"), minLength: 1, maxLength: 6 });
  // A run of stars alone means something else where it is a whole component.
  const pattern = fc.array(
    wild.filter((text) => !/^\*\*+$/.test(text)),
    { minLength: 2, maxLength: 3 },
  );
  fc.assert(
    fc.property(pattern, fc.array(name, { minLength: 1, maxLength: 4 }), (wanted, path) => {
      const [glob, text] = [wanted.join("/").replace(/\*+/g, "*"), path.join("/")];
      assert.equal(parseGlob(glob).matches(text), posix.matchesGlob(text, glob), `${glob} ${text}`);
    }),
    { numRuns: 500 },
  );
});

test("a glob of many stars is not slowed down by a name made for it", () => {
  const started = process.threadCpuUsage();
  assert.equal(parseGlob("*a*a*a*a*a*a*a*a*b").matches("a".repeat(4000)), false);
  assert.ok(process.threadCpuUsage(started).user < 5_000_000);
});
