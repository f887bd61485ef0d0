import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { isBackupError } from "../domain/error.ts";
import { makeTemporaryDirectory } from "./temporary-directory.ts";

function makeParent(t: TestContext): string {
  const parent = mkdtempSync(join(tmpdir(), "vertex-backup-temporary-"));
  t.after(() => rmSync(parent, { recursive: true, force: true }));
  return parent;
}

test("makeTemporaryDirectory() makes one private folder, and gives the same one the next time", async (t) => {
  const parent = makeParent(t);
  const directory = await makeTemporaryDirectory(parent);
  assert.equal(statSync(directory).mode & 0o777, 0o700);
  assert.equal(await makeTemporaryDirectory(parent), directory);
});

test("makeTemporaryDirectory() uses nothing that somebody else could look into or lead elsewhere", async (t) => {
  const [parent, elsewhere] = [makeParent(t), makeParent(t)];
  const name = `vertex-backup-${process.geteuid?.()}`;
  mkdirSync(join(parent, name));
  chmodSync(join(parent, name), 0o755);
  const first = await makeTemporaryDirectory(parent);
  assert.notEqual(first, join(parent, name));
  rmSync(join(parent, name), { recursive: true });
  symlinkSync(elsewhere, join(parent, name));
  const second = await makeTemporaryDirectory(parent);
  assert.notEqual(second, join(parent, name));
  assert.equal(statSync(second).mode & 0o777, 0o700);
});

test("makeTemporaryDirectory() says what it could not do, and what to set", async (t) => {
  const file = join(makeParent(t), "file");
  writeFileSync(file, "");
  await assert.rejects(
    makeTemporaryDirectory(file),
    (error) => isBackupError(error, "storage-unavailable") && error.hint?.includes("TMPDIR") === true,
  );
});
