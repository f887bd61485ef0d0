import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { fc } from "../../testing/properties.ts";
import { safeJson, safeText, shellWord } from "./safe-text.ts";

test("safeText() shows escapes, bidirectional overrides and line breaks instead of obeying them", () => {
  assert.equal(safeText("a\x1b[2Jb"), "a\\x1b[2Jb");
  assert.equal(safeText("gpj.\u202eexe"), "gpj.\\u{202e}exe");
  assert.equal(safeText("two\nlines\x9b"), "two\\x0alines\\x9b");
  assert.equal(safeText("zero\u200bwidth\u2028"), "zero\\u{200b}width\\u{2028}");
  assert.equal(safeText("Привет, 世界 é"), "Привет, 世界 é");
});

test("safeText() leaves nothing that a terminal would act on", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      assert.doesNotMatch(safeText(text), /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
    }),
  );
});

test("safeJson() is the same value with nothing in it that a terminal would act on", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      const printed = safeJson({ name: text });
      assert.deepEqual(JSON.parse(printed), { name: text });
      assert.doesNotMatch(printed, /[^\n\P{Cc}]|[\p{Cf}\p{Zl}\p{Zp}]/u);
    }),
  );
});

test("shellWord() reaches a program as the text it was made from", () => {
  const words = ["plain/path.db", "with space", "it's", '$HOME `id` \\ "', "-n", "", "new\nline\x1b", "*"];
  for (const word of words) {
    const printed = execFileSync("/bin/sh", ["-c", `printf '%s.' ${shellWord(word)}`], { encoding: "utf8" });
    // Control characters need $'...', which POSIX sh may not know; bash, zsh and ksh do.
    if (!/\p{Cc}/u.test(word)) assert.equal(printed, `${word}.`);
    assert.doesNotMatch(shellWord(word), /\p{Cc}/u);
  }
  assert.equal(shellWord("new\nline"), "$'new\\x0aline'");
});
