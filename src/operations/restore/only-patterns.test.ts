import assert from "node:assert/strict";
import { test } from "node:test";
import { byteStringFromText } from "../../domain/byte-string.ts";
import { pathRules } from "../../source/folder/exclude-rules.ts";
import { fc } from "../../testing/properties.ts";
import { onlyPatterns } from "./only-patterns.ts";

/** Would a walk with these excludes come to the path? */
function reaches(patterns: readonly string[], path: string): boolean {
  const rules = pathRules(patterns);
  const components = path.split("/");
  return components.every((_, index) => {
    const isLast = index === components.length - 1;
    return rules?.(byteStringFromText(components.slice(0, index + 1).join("/")), !isLast) !== true;
  });
}

test("onlyPatterns() leads to the paths and to nothing beside them", () => {
  const patterns = onlyPatterns(["a/b/c.txt", "d e.txt", "#x", "!y", "[z]*"]);
  for (const path of ["a/b/c.txt", "d e.txt", "#x", "!y", "[z]*"]) assert.ok(reaches(patterns, path), path);
  for (const path of ["a/b/d.txt", "a/c.txt", "c.txt", "x", "y", "z", "zz", "[z]a", "b/c.txt"]) {
    assert.ok(!reaches(patterns, path), path);
  }
});

test("onlyPatterns() holds for any names", () => {
  const name = fc
    .string({ minLength: 1, maxLength: 4, unit: fc.constantFrom(..."ab*?[]!# \\.é-") })
    .filter((text) => text !== "." && text !== "..");
  const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((names) => names.join("/"));
  fc.assert(
    fc.property(fc.array(path, { minLength: 1, maxLength: 5 }), path, (wanted, other) => {
      const patterns = onlyPatterns(wanted);
      for (const one of wanted) assert.ok(reaches(patterns, one));
      const related = wanted.some(
        (one) => one === other || other.startsWith(`${one}/`) || one.startsWith(`${other}/`),
      );
      assert.ok(related || !reaches(patterns, other));
    }),
    { numRuns: 200 },
  );
});
