import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { MemoryStorage } from "../../../storage/memory-storage.ts";
import { readAll } from "../../../storage/read-all.ts";
import { openTestRepository } from "../../../testing/test-repository.ts";
import { signal } from "../../../testing/vault-probe.ts";
import { PackWriter } from "../maintenance/pack-writer.ts";
import { packName } from "../objects.ts";
import { inspectFile } from "./inspect-file.ts";

const folder = await mkdtemp(join(tmpdir(), "vertex-inspect-"));
after(() => rm(folder, { recursive: true, force: true }));

const repo = await openTestRepository(new MemoryStorage());
const writer = new PackWriter(repo, signal);
for (const [n, sizeBytes] of [10, 700_000, 1_500_000, 3, 600_000].entries()) {
  // Large enough to cross what is read at once, and small enough to share it.
  const plain = Buffer.alloc(sizeBytes, `blob ${n} `);
  await writer.add(hash("sha256", plain, "hex"), "data", plain);
}
const packs = await writer.finish();

test("inspectFile() hashes every byte once, checks every blob, and gives back what follows the last", async () => {
  assert.ok(packs.length > 0);
  for (const [n, { id, blobs }] of packs.entries()) {
    const bytes = await readAll(repo.storage, packName(id), 1 << 26, signal);
    const wholeFile = join(folder, String(n));
    await writeFile(wholeFile, bytes);
    const end = Math.max(...blobs.map(({ offset, length }) => offset + length));
    const task = { wholeFile, sizeBytes: bytes.length, blobs, tailBytesMax: 1_000_000 };
    const whole = { failures: [], sha256: id, sizeBytes: bytes.length, tail: bytes.subarray(end) };
    assert.deepEqual(inspectFile(repo.key, task), whole);
    // The same where blobs are left out: gaps and a long tail are hashed too.
    const some = inspectFile(repo.key, { ...task, blobs: blobs.slice(1, 2), tailBytesMax: 40 });
    assert.deepEqual(some, { ...whole, tail: bytes.subarray(-40) });
  }
});

test("inspectFile() names the blob in which a byte was flipped, and how much of a shorter file there was", async () => {
  const { id, blobs } = packs[0] ?? assert.fail();
  const bytes = await readAll(repo.storage, packName(id), 1 << 26, signal);
  const wholeFile = join(folder, "damaged");
  const last = blobs.at(-1) ?? assert.fail();
  bytes.writeUInt8((bytes[last.offset + 17] ?? 0) ^ 1, last.offset + 17);
  await writeFile(wholeFile, bytes);
  const task = { wholeFile, sizeBytes: bytes.length, blobs, tailBytesMax: 100_000 };
  const { failures, sha256 } = inspectFile(repo.key, task);
  assert.deepEqual(
    failures.map(({ index }) => index),
    [blobs.length - 1],
  );
  assert.notEqual(sha256, id);
  await writeFile(wholeFile, bytes.subarray(0, last.offset));
  assert.equal(inspectFile(repo.key, task).sizeBytes, last.offset);
});
