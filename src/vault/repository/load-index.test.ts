import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { test } from "node:test";
import { isBackupError } from "../../domain/error.ts";
import { encodeIndex } from "../../format/restic/index-file.ts";
import type { IndexedPack } from "../../format/restic/model.ts";
import { MemoryStorage } from "../../storage/memory-storage.ts";
import type { Storage } from "../../storage/storage.ts";
import { openTestRepository } from "../../testing/test-repository.ts";
import { signal } from "../../testing/vault-probe.ts";
import { BlobIndex } from "./blob-index.ts";
import { loadIndex, loadSharedIndex, requireWholeIndex } from "./load-index.ts";
import { saveObject } from "./objects.ts";

const id = (text: string): string => hash("sha256", text, "hex");

function pack(name: string, count = 3): IndexedPack {
  const blobs = Array.from({ length: count }, (_, i) => {
    return {
      id: id(`${name} ${i}`),
      type: "data" as const,
      offset: i * 100,
      length: 100,
      uncompressedLength: 200,
    };
  });
  return { id: id(name), blobs };
}

test("loadIndex() knows every blob of every file, and which file lists which packs", async () => {
  const repo = await openTestRepository(new MemoryStorage());
  const one = await saveObject(repo, "index", encodeIndex([pack("a"), pack("b")]), signal);
  const two = await saveObject(repo, "index", encodeIndex([pack("b"), pack("c")]), signal);
  const loaded = await loadIndex(repo, signal);
  assert.equal(loaded.index.size, 9);
  assert.deepEqual(
    new Map(loaded.files.map((file) => [file.id, file.packs])),
    new Map([
      [one, [id("a"), id("b")]],
      [two, [id("b"), id("c")]],
    ]),
  );
  assert.deepEqual(loaded.index.find(id("c 1"), "data"), { ...pack("c").blobs[1], pack: id("c") });
  assert.equal(requireWholeIndex(loaded), loaded.index);
});

test("loadIndex() names a damaged file, and knows what the others say", async () => {
  const storage = new MemoryStorage();
  const repo = await openTestRepository(storage);
  await saveObject(repo, "index", encodeIndex([pack("a")]), signal);
  const half = await saveObject(repo, "index", Buffer.from('{"packs":[{"id":"x'), signal);
  const bent = id("bent");
  await storage.put(`index/${bent}`, Buffer.from("nothing that fits"), signal);
  const loaded = await loadIndex(repo, signal);
  assert.equal(loaded.index.size, 3);
  assert.deepEqual(loaded.damaged.map((one) => one.id).sort(), [half, bent].sort());
  for (const { id: file, error } of loaded.damaged) assert.ok(error.message.includes(file), error.message);
  assert.throws(
    () => requireWholeIndex(loaded),
    (error) => isBackupError(error, "damaged"),
  );
});

test("loadIndex() starts again where a file was merged into another meanwhile", async () => {
  const storage = new MemoryStorage();
  const repo = await openTestRepository(storage);
  const old = await saveObject(repo, "index", encodeIndex([pack("a")]), signal);
  let merged = false;
  const busy: Storage = Object.assign(Object.create(storage) as Storage, {
    async *get(name: string, range: undefined, by: AbortSignal) {
      if (!merged && name === `index/${old}`) {
        merged = true;
        await saveObject(repo, "index", encodeIndex([pack("a"), pack("b")]), by);
        await storage.remove([name], by);
      }
      yield* storage.get(name, range, by);
    },
    list: storage.list.bind(storage),
  });
  const { index, files } = await loadIndex({ ...repo, storage: busy }, signal);
  assert.deepEqual([merged, index.size, files.length], [true, 6, 1]);
});

test("loadSharedIndex() reads a file once, forgets with the file, and is not changed by who stands on it", async () => {
  const storage = new MemoryStorage();
  const repo = await openTestRepository(storage);
  const old = await saveObject(repo, "index", encodeIndex([pack("a")]), signal);
  const reads: string[] = [];
  const counting: Storage = Object.assign(Object.create(storage) as Storage, {
    get(name: string, range: undefined, by: AbortSignal) {
      reads.push(name);
      return storage.get(name, range, by);
    },
    list: storage.list.bind(storage),
  });
  const place = { ...repo, storage: counting };
  const first = await loadSharedIndex(place, signal);
  const own = new BlobIndex(first.index);
  own.add(pack("mine"));
  assert.deepEqual([own.size, own.packCount, first.index.size], [6, 2, 3]);
  assert.ok(own.has(id("a 1"), "data") && own.has(id("mine 1"), "data"));
  assert.deepEqual(
    [...own.packs()].map((one) => one.id),
    [id("a"), id("mine")],
  );
  assert.equal([...own.rawIds()].length, 6);
  const added = await saveObject(repo, "index", encodeIndex([pack("b")]), signal);
  const second = await loadSharedIndex(place, signal);
  assert.deepEqual(reads, [`index/${old}`, `index/${added}`]);
  assert.deepEqual(
    [second.index.size, second.files.length, second.index.has(id("mine 1"), "data")],
    [6, 2, false],
  );
  await storage.remove([`index/${old}`], signal);
  const third = await loadSharedIndex(place, signal);
  assert.deepEqual([third.index.size, third.index.has(id("a 1"), "data")], [3, false]);
});

test("loadIndex() stops with the abort itself", async () => {
  const repo = await openTestRepository(new MemoryStorage());
  await saveObject(repo, "index", encodeIndex([pack("a")]), signal);
  await assert.rejects(loadIndex(repo, AbortSignal.abort()), { name: "AbortError" });
});
