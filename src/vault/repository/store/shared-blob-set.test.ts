import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { fc } from "../../../testing/properties.ts";
import { SharedBlobSet } from "./shared-blob-set.ts";

function idOf(number: number): Buffer {
  return createHash("sha256").update(String(number)).digest();
}

test("claim() says yes once for each id, and knows ids that differ in the last byte only", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ minLength: 32, maxLength: 32 }), { maxLength: 50 }), (ids) => {
      const set = SharedBlobSet.create(0);
      const seen = new Set<string>();
      for (const id of ids) {
        const hex = Buffer.from(id).toString("hex");
        assert.equal(set.claim(id), !seen.has(hex));
        seen.add(hex);
        const near = id.with(31, id[31]! ^ 1);
        const nearHex = Buffer.from(near).toString("hex");
        assert.equal(set.claim(near), !seen.has(nearHex));
        seen.add(nearHex);
      }
    }),
    { numRuns: 30 },
  );
});

test("claim() goes on where many ids want the same place, in one segment after the other", () => {
  const set = SharedBlobSet.create(0);
  const ids = Array.from({ length: 2_000 }, (_, i) => {
    const id = Buffer.alloc(32);
    id.writeUInt32LE(i, 28);
    return id;
  });
  assert.ok(ids.slice(0, 150).every((id) => set.claim(id)));
  assert.ok(ids.slice(0, 150).every((id) => !set.claim(id)));
});

test("claim() keeps more ids than were expected", () => {
  const set = SharedBlobSet.create(10);
  const count = 100_000;
  for (let i = 0; i < count; i++) assert.equal(set.claim(idOf(i)), true);
  for (let i = 0; i < count; i += 7) assert.equal(set.claim(idOf(i)), false);
});

test("claim() does not wait for a thread that died while it took an id, once the store is aborted", () => {
  const { parts } = SharedBlobSet.create(0);
  let asked = 0;
  const set = new SharedBlobSet(parts, () => {
    if (++asked > 3) throw new Error("aborted");
  });
  // Every slot is between being taken and being ready.
  const words = new Int32Array(parts.memory);
  for (let at = 0; at < parts.firstSlots * 9; at += 9) words[at] = 1;
  assert.throws(() => set.claim(idOf(1)), /aborted/);
  assert.equal(asked, 4);
});

test("claim() gives each id to one thread only, however they race", async () => {
  const set = SharedBlobSet.create(0);
  const module = new URL("./shared-blob-set.ts", import.meta.url).href;
  const source = `
    import { createHash } from "node:crypto";
    import { parentPort, workerData } from "node:worker_threads";
    const { SharedBlobSet } = await import(${JSON.stringify(module)});
    const set = new SharedBlobSet(workerData);
    parentPort.postMessage("ready");
    parentPort.once("message", () => {
      const mine = [];
      for (let i = 0; i < 60000; i++) {
        if (set.claim(createHash("sha256").update(String(i)).digest())) mine.push(i);
      }
      parentPort.postMessage(mine);
    });
  `;
  const script = new URL(`data:text/javascript,${encodeURIComponent(source)}`);
  const workers = [1, 2, 3].map(() => new Worker(script, { workerData: set.parts }));
  const next = (worker: Worker): Promise<unknown> =>
    new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject));
  await Promise.all(workers.map(next));
  const claims = workers.map(next);
  for (const worker of workers) worker.postMessage("go");
  const claimed = (await Promise.all(claims)) as number[][];
  await Promise.all(workers.map((worker) => worker.terminate()));
  const all = claimed.flat();
  assert.equal(all.length, 60_000);
  assert.equal(new Set(all).size, 60_000);
});
