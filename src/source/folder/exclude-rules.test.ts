import assert from "node:assert/strict";
import { test } from "node:test";
import { asByteString, byteStringFromText } from "../../domain/byte-string.ts";
import { pathRules } from "./exclude-rules.ts";

function matches(patterns: readonly string[], path: string): boolean {
  const isDirectory = path.endsWith("/");
  const bare = byteStringFromText(isDirectory ? path.slice(0, -1) : path);
  return pathRules(patterns)?.(bare, isDirectory) ?? false;
}

test("pathRules() has nothing to ask where there are no patterns", () => {
  assert.equal(pathRules([]), undefined);
  assert.equal(pathRules(["", "# only a comment"]), undefined);
});

test("pathRules() means what a .gitignore means", () => {
  const cases: [string[], string, boolean][] = [
    [["*.log"], "a/b.log", true],
    [["*.log"], "a/b.LOG", false],
    [["/a"], "b/a", false],
    [["a/"], "a", false],
    [["a/"], "a/", true],
    [["a/"], "a/b/c", true],
    [["a/**/z"], "a/x/y/z", true],
    [["*", "!keep"], "keep", false],
    [["a/", "!a/keep"], "a/keep", true],
    [["ü*"], "übung", true],
    [["\\#x"], "#x", true],
    [["*"], "...", true],
  ];
  for (const [patterns, path, expected] of cases)
    assert.equal(matches(patterns, path), expected, `${patterns} ${path}`);
});

test("pathRules() matches names that are not UTF-8 as if they were Latin-1", () => {
  assert.equal(pathRules(["caf*.jpg"])?.(asByteString("x/caf\xe9.jpg"), false), true);
  assert.equal(pathRules(["*.png"])?.(asByteString("x/caf\xe9.jpg"), false), false);
});

test("pathRules() understands names as lists show them, and \\ before other characters as before", () => {
  assert.equal(pathRules(["/x/caf\\xe9.jpg"])?.(asByteString("x/caf\xe9.jpg"), false), true);
  assert.equal(pathRules(["line\\x0abreak"])?.(asByteString("line\nbreak"), false), true);
  assert.equal(matches(["a\\u{202e}b"], "a\u202eb"), true);
  assert.equal(matches(["a\\\\xff"], "a\\xff"), true, "the four characters themselves");
  assert.equal(matches(["\\x41\\[\\!"], "x41[!"), true, "visible characters are never shown so");
  assert.equal(matches(["\\x2a"], "anything"), false);
});

test("pathRules() matches white space at the end of a name that is written as lists show it, and nothing else", () => {
  for (const [shown, character] of [
    ["\\x0d", "\r"],
    ["\\x0a", "\n"],
    ["\\x0a\\x0a", "\n\n"],
    ["\\x09", "\t"],
    ["\\xa0", "\u00a0"],
    ["\\u{2028}", "\u2028"],
  ] as const) {
    assert.equal(matches([`Icon${shown}`], `Icon${character}`), true, shown);
    assert.equal(matches([`Icon${shown}`], "Icon"), false, shown);
    assert.equal(matches([shown], character), true, shown);
  }
  assert.equal(matches(["Icon\r"], "Icon"), true, "a list with the line ends of Windows");
});
