import assert from "node:assert/strict";
import { test } from "node:test";
import { asByteString } from "../../domain/byte-string.ts";
import { isBackupError } from "../../domain/error.ts";
import { fc } from "../../testing/properties.ts";
import { checkEntryPath, checkLinkTarget, linkLeadsOutside } from "./safe-path.ts";

test("checkEntryPath() passes ordinary names, strange ones too", () => {
  for (const path of ["", "a", "a/b", "...", "..a/b..", ".hidden", "a b\n\\", "\xff\xfe/c:"]) {
    checkEntryPath(asByteString(path));
  }
});

test("checkEntryPath() refuses every way out", () => {
  const bad = [
    "..",
    ".",
    "/",
    "/etc",
    "a/..",
    "../a",
    "a/../b",
    "a/./b",
    "a//b",
    "a/",
    "./a",
    "a\0b",
    "\u012e\u012e/a",
  ];
  for (const path of bad) {
    assert.throws(
      () => checkEntryPath(asByteString(path)),
      (error) => isBackupError(error, "unsafe"),
      path,
    );
  }
});

test("checkLinkTarget() refuses what no link can hold", () => {
  checkLinkTarget(asByteString("a"), asByteString("../anything"));
  for (const target of ["", "a\0", "\u012f"]) {
    assert.throws(() => checkLinkTarget(asByteString("a"), asByteString(target)), { kind: "unsafe" });
  }
});

test("linkLeadsOutside() knows links that stay inside from those that may not", () => {
  const cases: [string, string, boolean][] = [
    ["a", "b", false],
    ["a/b", "../c", false],
    ["a/b/c", "../../d/e", false],
    ["a", "./b//c", false],
    ["a", "..", true],
    ["a/b", "../../c", true],
    ["a", "/etc/passwd", true],
    ["a/b", "c/../d", true],
  ];
  for (const [path, target, outside] of cases) {
    assert.equal(linkLeadsOutside(asByteString(path), asByteString(target)), outside, `${path} -> ${target}`);
  }
});

test("linkLeadsOutside() passes no link that leads out through others it passed", () => {
  // A tree of real folders a, a/b, a/b/c with passed links in them, resolved as the kernel does.
  const folder = fc.constantFrom("", "a/", "a/b/", "a/b/c/");
  const target = fc.array(fc.constantFrom("..", ".", "a", "b", "c", "l0", "l1", "l2", "l3"), {
    minLength: 1,
    maxLength: 5,
  });
  fc.assert(
    fc.property(fc.array(fc.tuple(folder, target), { minLength: 1, maxLength: 4 }), (wanted) => {
      const links = new Map<string, string[]>();
      wanted.forEach(([at, to], i) => {
        const path = `${at}l${i}`;
        if (!linkLeadsOutside(asByteString(path), asByteString(to.join("/")))) links.set(path, to);
      });
      for (const path of links.keys()) assert.ok(staysInside(path.split("/"), links));
    }),
    { numRuns: 2000 },
  );
});

function staysInside(path: readonly string[], links: ReadonlyMap<string, string[]>): boolean {
  const left = [...path];
  const at: string[] = [];
  for (let steps = 0; left.length > 0 && steps < 100; steps++) {
    const component = left.shift() ?? "";
    if (component === ".") continue;
    if (component === "..") {
      if (at.pop() === undefined) return false;
      continue;
    }
    const link = links.get([...at, component].join("/"));
    if (link === undefined) at.push(component);
    else left.unshift(...link);
  }
  return true;
}
