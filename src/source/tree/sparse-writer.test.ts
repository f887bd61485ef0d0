import assert from "node:assert/strict";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fc } from "../../testing/properties.ts";
import { SparseWriter } from "./sparse-writer.ts";

const kib = 1024;

function makeFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "sparse-writer-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function writeChunks(path: string, chunks: readonly Uint8Array[]): void {
  const descriptor = openSync(path, "w");
  const writer = new SparseWriter(descriptor);
  for (const chunk of chunks) writer.write(chunk);
  writer.end();
  closeSync(descriptor);
}

test("SparseWriter writes the same bytes however they are cut and wherever zeros lie", (t) => {
  const path = join(makeFolder(t), "file");
  const run = fc.tuple(fc.constantFrom(0, 0, 1), fc.constantFrom(1, 100, 4096, 10_000, 64 * kib, 100 * kib));
  const cut = fc.constantFrom(1000, 4096, 30_000, 64 * kib, 1024 * kib);
  fc.assert(
    fc.property(fc.array(run, { maxLength: 6 }), cut, (runs, chunkBytes) => {
      const whole = Buffer.concat(runs.map(([byte, length]) => Buffer.alloc(length, byte)));
      const chunks: Buffer[] = [];
      for (let i = 0; i < whole.length; i += chunkBytes) chunks.push(whole.subarray(i, i + chunkBytes));
      writeChunks(path, chunks);
      assert.ok(readFileSync(path).equals(whole));
    }),
    { numRuns: 150 },
  );
});

test("SparseWriter leaves holes for long runs of zeros, across chunks and at the end, and not for short ones", (t) => {
  const folder = makeFolder(t);
  const mebibyte = 1024 * kib;
  const data = Buffer.alloc(8 * kib, 1);
  const zeros = Buffer.alloc(mebibyte);
  const blocks = (name: string, chunks: readonly Uint8Array[]): number => {
    writeChunks(join(folder, name), chunks);
    return statSync(join(folder, name)).blocks * 512;
  };
  const inside = Buffer.concat([data, Buffer.alloc(mebibyte - 16 * kib), data]);
  assert.ok(blocks("inside", [inside]) <= 128 * kib);
  assert.ok(blocks("across", [data, zeros, zeros, data]) <= 128 * kib);
  assert.ok(blocks("at-end", [data, zeros]) <= 128 * kib);
  const smallChunks = Array.from({ length: 64 }, () => zeros.subarray(0, 16 * kib));
  assert.ok(blocks("small-chunks", [data, ...smallChunks, data]) <= 128 * kib);
  const short = Array.from({ length: 16 }, () => [data, zeros.subarray(0, 32 * kib)]).flat();
  assert.ok(blocks("short", [...short, data]) >= 640 * kib);
});
