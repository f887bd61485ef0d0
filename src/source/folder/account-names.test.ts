import assert from "node:assert/strict";
import { test } from "node:test";
import { loadAccountNames, parseAccountFile } from "./account-names.ts";

test("parseAccountFile() names numbers, first name first, and skips lines that make no sense", () => {
  const text = "root:x:0:0::/root:/bin/sh\ntoor:x:0:0:::\n# comment\n+::::::\nbad:x:-1:\napp:x:1000:\n\n";
  assert.deepEqual(
    [...parseAccountFile(text)],
    [
      [0, "root"],
      [1000, "app"],
    ],
  );
});

test("loadAccountNames() knows this machine's accounts, and nobody where there is no file", () => {
  assert.equal(loadAccountNames().user(0), "root");
  assert.equal(loadAccountNames().user(3_999_999_999), "");
  assert.equal(loadAccountNames("/nowhere/passwd", "/nowhere/group").group(0), "");
});
