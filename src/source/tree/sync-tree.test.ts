import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { isBackupError } from "../../domain/error.ts";
import { syncTree } from "./sync-tree.ts";

const signal = new AbortController().signal;

function makeTree(t: TestContext): string {
  const root = mkdtempSync(join(tmpdir(), "sync-tree-"));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  mkdirSync(join(root, "a/b"), { recursive: true });
  for (let i = 0; i < 40; i++) writeFileSync(join(root, "a/b", String(i)), "x");
  writeFileSync(Buffer.from(`${root}/caf\xe9`, "latin1"), "x");
  symlinkSync("nowhere", join(root, "dangling"));
  return root;
}

test("syncTree() syncs the file system in one go, or each file where there is no program for that", async (t) => {
  const root = makeTree(t);
  assert.equal(await syncTree(root, signal, { syncCommand: "true" }), "file-system");
  assert.equal(await syncTree(root, signal, { syncCommand: "/nowhere/sync" }), "each");
  assert.equal(await syncTree(root, signal, { syncCommand: "false" }), "each");
});

test("syncTree() fails where there is nothing to sync, and when it is cancelled", async (t) => {
  const root = makeTree(t);
  const missing = syncTree(join(root, "missing"), signal);
  await assert.rejects(missing, (error) => isBackupError(error, "storage-unavailable"));
  await assert.rejects(syncTree(root, AbortSignal.abort()), { name: "AbortError" });
});

test("syncTree() makes a tree deeper than paths go durable, also file by file", async () => {
  const work = mkdtempSync(join(tmpdir(), "vertex-backup-sync-"));
  try {
    const folder = join(work, ...new Array(33).fill("d".repeat(120)));
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "file"), "deep");
    const renamed = join(work, "r".repeat(250));
    renameSync(join(work, "d".repeat(120)), renamed);
    assert.equal(await syncTree(renamed, signal, { syncCommand: "no-such-program" }), "each");
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
});
