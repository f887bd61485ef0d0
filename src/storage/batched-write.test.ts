import assert from "node:assert/strict";
import { mkdtemp, open, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { test } from "node:test";
import { fc } from "../testing/properties.ts";
import { pattern, signal } from "../testing/storage-probe.ts";
import { type WritableFile, writeFully, writeStream } from "./batched-write.ts";

const mebibyte = 1024 * 1024;
const noSpace = Object.assign(new Error("no space left"), { code: "ENOSPC" });

/** A file that counts what it is given, and fails as told. */
class CountingFile implements WritableFile {
  written = 0;
  syncs = 0;
  readonly failSync: number;
  readonly failWriteAt: number;

  constructor(fail: { readonly sync?: number; readonly writeAt?: number }) {
    this.failSync = fail.sync ?? Number.POSITIVE_INFINITY;
    this.failWriteAt = fail.writeAt ?? Number.POSITIVE_INFINITY;
  }

  async write(
    _bytes: Uint8Array,
    _offset: number,
    length: number,
    position: number,
  ): Promise<{ bytesWritten: number }> {
    if (position + length > this.failWriteAt) throw noSpace;
    this.written += length;
    return { bytesWritten: length };
  }

  async datasync(): Promise<void> {
    this.syncs++;
    if (this.syncs === this.failSync) throw noSpace;
  }
}

async function* mebibytes(count: number): AsyncIterable<Uint8Array> {
  const chunk = Buffer.alloc(mebibyte);
  for (let i = 0; i < count; i++) yield chunk;
}

test("writeStream() writes the concatenation of the chunks, however they are cut", async () => {
  const folder = await mkdtemp(join(tmpdir(), "vertex-write-"));
  const content = pattern(3 * mebibyte);
  let run = 0;
  try {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 2 * mebibyte }), { maxLength: 8 }),
        async (cuts) => {
          const edges = [0, ...cuts.sort((a, b) => a - b), content.byteLength];
          const path = join(folder, String(run++));
          await using file = await open(path, "wx");
          const chunks = (async function* () {
            for (let i = 1; i < edges.length; i++) yield content.subarray(edges[i - 1], edges[i]);
          })();
          assert.equal(await writeStream(file, chunks, signal), content.byteLength);
          assert.ok((await readFile(path)).equals(content));
          await rm(path);
        },
      ),
      { numRuns: 20 },
    );
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("writeFully() goes on after the system took only a part", async () => {
  const taken: number[] = [];
  const bytes = Buffer.from("0123456789");
  const stingy: WritableFile = {
    write: async (given, offset, length, position) => {
      assert.equal(given, bytes);
      assert.equal(offset, position - 100);
      taken.push(Math.min(length, 4));
      return { bytesWritten: Math.min(length, 4) };
    },
    datasync: async () => undefined,
  };
  await writeFully(stingy, bytes, 100);
  assert.deepEqual(taken, [4, 4, 2]);
});

test("writeStream() sends what it has to the disk while more comes", async () => {
  const file = new CountingFile({});
  await writeStream(file, mebibytes(200), signal);
  assert.equal(file.written, 200 * mebibyte);
  assert.equal(file.syncs, 3);
});

test("writeStream() tells of a failure in the background, because the sync at the end would not", async () => {
  for (const count of [64, 65, 130]) {
    await assert.rejects(writeStream(new CountingFile({ sync: 1 }), mebibytes(count), signal), noSpace);
  }
});

test("writeStream() tells of a failed write also when the producer takes its time", async () => {
  const slow = (async function* () {
    yield* mebibytes(2);
    await wait(20);
    yield* mebibytes(2);
  })();
  await assert.rejects(writeStream(new CountingFile({ writeAt: mebibyte }), slow, signal), noSpace);
  await assert.rejects(writeStream(new CountingFile({ writeAt: 10 }), mebibytes(1), signal), noSpace);
});
