import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { asByteString } from "../domain/byte-string.ts";
import { systemClock } from "../domain/clock.ts";
import { walkFolder } from "../source/folder/walk-folder.ts";
import type { FolderSource } from "./requests.ts";
import { WalkAhead, walkOptions } from "./walk-ahead.ts";

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

test("WalkAhead finds what a walk finds that begins later", async () => {
  using made = scene();
  const skip = new Set([asByteString(join(made.folder.path, "left-out"))]);
  const options = walkOptions(made.folder, skip);
  await using ahead = new WalkAhead(options, systemClock);
  const report = (): void => assert.fail("nothing is wrong with it");
  const found = (await Array.fromAsync(ahead.entries(report, signal))).flat();
  const plain = (await Array.fromAsync(walkFolder(options, report, signal))).flat();
  assert.deepEqual(found, plain);
  assert.equal(found.length, 4);
});

test("WalkAhead does not serve another walk, nor what is asked for after a long wait", async () => {
  using made = scene();
  let nowMs = 5_000;
  const clock = { now: () => nowMs, elapsed: () => nowMs };
  const skip = new Set([asByteString("/vault")]);
  const options = walkOptions(made.folder, skip);
  await using ahead = new WalkAhead(options, clock);
  assert.equal(ahead.startedAtMs, 5_000);
  nowMs = 6_000;
  assert.equal(ahead.serves(walkOptions({ ...made.folder }, new Set(skip))), true);
  for (const other of [
    walkOptions(made.folder, new Set([...skip, asByteString("/scratch")])),
    walkOptions({ ...made.folder, excludes: [] }, skip),
    walkOptions({ ...made.folder, path: join(made.folder.path, "inner") }, skip),
  ])
    assert.equal(ahead.serves(other), false);
  nowMs = 60_000;
  assert.equal(ahead.serves(options), false);
});
