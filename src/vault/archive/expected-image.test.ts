import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { ImageHash, looksOf } from "./expected-image.ts";

const bytes = randomBytes(1_500_000);

function imagePath(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "vertex-expected-"));
  t.after(() => rmSync(folder, { recursive: true }));
  return join(folder, "image.db");
}

function follow(path: string): ImageHash {
  return new ImageHash(path, () => undefined);
}

test("ImageHash hashes an image that grows, whatever is told of it", async (t) => {
  const path = imagePath(t);
  for (const steps of [[], [600_000, 1_200_000], [1, 2, 1_500_000]]) {
    writeFileSync(path, "");
    let told = 0;
    const hash = new ImageHash(path, () => told++);
    let written = 0;
    for (const step of steps) {
      appendFileSync(path, bytes.subarray(written, step));
      written = step;
      hash.steady(step);
      await new Promise((resolve) => setImmediate(resolve));
    }
    appendFileSync(path, bytes.subarray(written));
    hash.complete();
    hash.complete();
    assert.equal(told, 1);
    await using file = await open(path, "r");
    assert.deepEqual(await hash.result, {
      sha256: createHash("sha256").update(bytes).digest("hex"),
      sizeBytes: bytes.length,
      looks: await looksOf(file),
    });
  }
});

test("ImageHash has nothing of an image that was made anew, is shorter than told, or never came", async (t) => {
  const path = imagePath(t);
  writeFileSync(path, bytes);
  const anew = follow(path);
  anew.steady(1_000_000);
  anew.steady(1_000_000);
  anew.complete();
  assert.equal(await anew.result, undefined);
  const shorter = follow(path);
  shorter.steady(2_000_000);
  assert.equal(await shorter.result, undefined);
  const absent = follow(`${path}-absent`);
  absent.complete();
  assert.equal(await absent.result, undefined);
  const stopped = follow(path);
  stopped.stop();
  assert.equal(await stopped.result, undefined);
});

test("the hash of an image does not look like that of a file that took its name", async (t) => {
  const path = imagePath(t);
  writeFileSync(path, bytes);
  const hash = follow(path);
  hash.complete();
  const foreseen = await hash.result;
  writeFileSync(`${path}-other`, bytes);
  renameSync(`${path}-other`, path);
  await using file = await open(path, "r");
  assert.notEqual(foreseen?.looks, await looksOf(file));
});

test("ImageHash is not waited for any more when the backup is cancelled", async (t) => {
  const path = imagePath(t);
  writeFileSync(path, bytes);
  const hash = follow(path);
  hash.steady(1_000_000);
  const cancelling = new AbortController();
  const waiting = hash.resultUnless(cancelling.signal);
  cancelling.abort();
  await assert.rejects(waiting, { name: "AbortError" });
  await assert.rejects(follow(path).resultUnless(cancelling.signal), { name: "AbortError" });
});
