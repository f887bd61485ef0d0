import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { byteStringFromText } from "../../domain/byte-string.ts";
import { realDisk } from "./swap-disk.ts";

test("realDisk.removeTree() removes what lies deeper than a path can say", async () => {
  const work = mkdtempSync(join(tmpdir(), "vertex-backup-deep-"));
  const tree = join(work, "a");
  try {
    let deep = tree;
    while (deep.length < 4000) deep = join(deep, "d".repeat(60));
    mkdirSync(deep, { recursive: true });
    writeFileSync(join(deep, "file"), "x");
    const renamed = join(work, "b".repeat(200));
    renameSync(tree, renamed);
    await realDisk.removeTree(byteStringFromText(renamed));
    assert.equal(existsSync(renamed), false);
    await realDisk.removeTree(byteStringFromText(renamed));
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
});

test("realDisk.writeDurably() leaves nothing behind where it fails", async () => {
  const work = mkdtempSync(join(tmpdir(), "vertex-backup-write-"));
  try {
    mkdirSync(join(work, "taken"));
    await assert.rejects(realDisk.writeDurably(join(work, "taken"), "text"));
    assert.deepEqual(readdirSync(work), ["taken"]);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
});
