import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { asByteString, byteStringFromText, byteStringToPath } from "../../domain/byte-string.ts";
import { withShortPath, shortPath } from "./short-path.ts";

/** Descriptors open now. */
function open(): number {
  return readdirSync("/proc/self/fd").length;
}

test("shortPath() leads to what lies deeper than paths go, a few folders at a time, and closes what it opened", async () => {
  const work = mkdtempSync(join(tmpdir(), "vertex-backup-short-"));
  try {
    let deep = byteStringFromText(work);
    const before = open();
    while (deep.length < 10_000) {
      deep = asByteString(`${deep}/${"\xff".repeat(250)}`);
      using short = shortPath(deep);
      assert.ok(short.path.length < 4096);
      mkdirSync(byteStringToPath(short.path));
    }
    await withShortPath(asByteString(`${deep}/file`), async (path) => writeFileSync(path, "deep"));
    using file = shortPath(asByteString(`${deep}/file`));
    assert.equal(readFileSync(byteStringToPath(file.path), "utf8"), "deep");
    assert.throws(() => shortPath(asByteString(`${deep}/none${"/x".repeat(4000)}`)), { code: "ENOENT" });
    assert.equal(open(), before + 1);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
});

test("shortPath() is the path itself wherever the kernel takes it", () => {
  const path = byteStringFromText(`/${"x".repeat(4094)}`);
  using short = shortPath(path);
  assert.equal(short.path, path);
});
