import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { seemsToHoldMany } from "./guess-size.ts";

test("seemsToHoldMany() counts what is near the top and takes the rest for alike", () => {
  const folder = mkdtempSync(join(tmpdir(), "vertex-guess-"));
  try {
    for (let i = 0; i < 10; i++) {
      mkdirSync(join(folder, `d${i}`, "inner"), { recursive: true });
      for (let file = 0; file < 5; file++) writeFileSync(join(folder, `d${i}`, "inner", `f${file}`), "");
    }
    // 10 folders, 10 in them, 50 files.
    assert.ok(seemsToHoldMany(folder, 70));
    assert.ok(!seemsToHoldMany(folder, 71));
    assert.ok(!seemsToHoldMany(join(folder, "d0", "inner"), 6));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("seemsToHoldMany() says no of what is not there, and of a file", () => {
  assert.ok(!seemsToHoldMany(join(tmpdir(), "vertex-is-not-there"), 1));
  assert.ok(!seemsToHoldMany(import.meta.filename, 1));
});
