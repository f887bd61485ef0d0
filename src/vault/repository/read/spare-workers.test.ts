import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { test } from "node:test";
import { newMasterKey, sealBox } from "../../../format/restic/crypto-box.ts";
import { blobIdOf } from "../../../testing/packed-blobs.ts";
import { BlobThreads } from "./blob-threads.ts";
import { decodingThreads, SpareWorkers } from "./spare-workers.ts";

test("SpareWorkers gives threads away once, and those it was left with end with it", async () => {
  const spare = new SpareWorkers();
  assert.equal(spare.take().length, 0);
  void spare.start();
  void spare.start();
  const taken = spare.take();
  assert.equal(taken.length, decodingThreads());
  assert.equal(spare.take().length, 0);
  void spare.start();
  const [left] = spare.take();
  assert.ok(left !== undefined && !taken.includes(left));
  await spare[Symbol.asyncDispose]();
  const ends = [...taken, left].map((worker) => once(worker, "exit"));
  for (const worker of [...taken, left]) await worker.terminate();
  await Promise.all(ends);
  void spare.start();
  assert.equal(spare.take().length, 0, "none is started for one who is gone");
});

for (const when of ["loaded", "taken at once"]) {
  test(`BlobThreads decodes in threads that were started ahead and ${when}, and ends them with its own`, async () => {
    const key = newMasterKey();
    const plain = randomBytes(100);
    await using spare = new SpareWorkers();
    const started = spare.start();
    if (when === "loaded") await started;
    const threads = new BlobThreads(key);
    threads.takeOver(spare);
    assert.equal(spare.take().length, 0);
    const box = sealBox(key, plain);
    const blob = { id: blobIdOf(plain), offset: 0, length: box.length, at: 0 };
    const target = Buffer.from(new SharedArrayBuffer(plain.length));
    assert.deepEqual(await threads.decode({ pieces: [box], blobs: [blob] }, target), []);
    assert.ok(target.equals(plain));
    const wrong = { ...blob, id: blobIdOf(Buffer.from("other")) };
    const [failure] = await threads.decode({ pieces: [sealBox(key, plain)], blobs: [wrong] });
    assert.match(failure?.state ?? "", /^its SHA-256 is /);
    await threads[Symbol.asyncDispose]();
  });
}

test("BlobThreads starts threads of its own where none were started ahead", async () => {
  const key = newMasterKey();
  const plain = randomBytes(3_000_000);
  await using spare = new SpareWorkers();
  await using threads = new BlobThreads(key);
  threads.takeOver(spare);
  const box = sealBox(key, plain);
  const blob = { id: blobIdOf(plain), offset: 0, length: box.length, at: 0 };
  assert.deepEqual(await threads.decode({ pieces: [box], blobs: [blob] }), []);
});
