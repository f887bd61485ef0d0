import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { asByteString } from "../domain/byte-string.ts";
import { systemClock } from "../domain/clock.ts";
import { walkFolder } from "../source/folder/walk-folder.ts";
import { entriesWorthThread } from "../source/folder/walk-thread.ts";
import type { FolderSource } from "./requests.ts";
import { walkAhead, walkOptions } from "./walk-ahead.ts";

const { signal } = new AbortController();

function scene(): { readonly folder: FolderSource } & Disposable {
  const path = mkdtempSync(join(tmpdir(), "vertex-walk-ahead-"));
  mkdirSync(join(path, "inner"));
  for (const name of ["a", "b.tmp", "inner/c", "left-out"]) writeFileSync(join(path, name), name);
  return {
    folder: {
      name: "files",
      path,
      excludes: ["*.tmp"],
      oneFileSystem: false,
      excludeCaches: false,
      plainFiles: [],
    },
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  };
}

test("walkAhead() finds in the first folder what a walk finds that begins later", async () => {
  using made = scene();
  const { folder } = made;
  const skip = new Set([asByteString(join(folder.path, "left-out"))]);
  const ahead = walkAhead([folder, { ...folder, name: "other" }], skip, entriesWorthThread, systemClock);
  assert.ok(ahead !== undefined);
  await using walk = ahead.walk;
  assert.equal(ahead.folder, folder);
  const report = (): void => assert.fail("nothing is wrong with it");
  const found = (await Array.fromAsync(walk.entries(report, signal))).flat();
  const plain = (await Array.fromAsync(walkFolder(walkOptions(folder, skip), report, signal))).flat();
  assert.deepEqual(found, plain);
  assert.equal(found.length, 4);
});

test("walkAhead() starts no thread where few entries are expected, or there is no folder", () => {
  using made = scene();
  assert.equal(walkAhead([made.folder], new Set(), entriesWorthThread - 1, systemClock), undefined);
  assert.equal(walkAhead([], new Set(), entriesWorthThread, systemClock), undefined);
});

test("walkAhead() is not gone by after a long wait", async () => {
  using made = scene();
  let nowMs = 0;
  const clock = { now: () => nowMs, elapsed: () => nowMs };
  const ahead = walkAhead([made.folder], new Set(), entriesWorthThread, clock);
  assert.ok(ahead !== undefined);
  await using _walk = ahead.walk;
  nowMs = 1_000;
  assert.equal(ahead.isFresh(), true);
  nowMs = 60_000;
  assert.equal(ahead.isFresh(), false);
});
