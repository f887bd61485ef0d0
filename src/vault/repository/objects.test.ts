import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { test } from "node:test";
import { compress } from "../../encode/zstd.ts";
import { openBox, sealBox } from "../../format/restic/crypto-box.ts";
import { MemoryStorage } from "../../storage/memory-storage.ts";
import { readAll } from "../../storage/read-all.ts";
import { openTestRepository } from "../../testing/test-repository.ts";
import { rejectsWith, signal } from "../../testing/vault-probe.ts";
import { listObjects, loadObject, packName, removeObjects, saveObject } from "./objects.ts";
import type { Repository } from "./repository.ts";

const json = Buffer.from(JSON.stringify({ packs: Array.from({ length: 50 }, () => "the same again") }));

async function openEmpty(): Promise<Repository & { readonly storage: MemoryStorage }> {
  const storage = new MemoryStorage();
  return { ...(await openTestRepository(storage)), storage };
}

/** Stores bytes under the name that their hash gives them. */
async function store(repo: Repository, box: Buffer): Promise<string> {
  const id = hash("sha256", box, "hex");
  await repo.storage.put(`snapshots/${id}`, box, signal);
  return id;
}

test("loadObject() gives back what saveObject() stored, which is compressed, named by its hash, and never twice the same", async () => {
  const repo = await openEmpty();
  const [one, two] = [
    await saveObject(repo, "index", json, signal),
    await saveObject(repo, "index", json, signal),
  ];
  assert.notEqual(one, two);
  for (const id of [one, two]) {
    assert.deepEqual(await loadObject(repo, "index", id, signal), json);
    const bytes = await readAll(repo.storage, `index/${id}`, 10_000, signal);
    assert.equal(hash("sha256", bytes, "hex"), id);
    assert.equal(openBox(repo.key, bytes)[0], 2);
    assert.ok(bytes.byteLength < json.byteLength / 2);
  }
  await removeObjects(repo, "index", [one, two], signal);
  await rejectsWith(loadObject(repo, "index", one, signal), "not-found");
});

test("saveObject() of a repository of version 1 compresses nothing, and loadObject() expects nothing else", async () => {
  const repo = await openEmpty();
  const old = { ...repo, config: { ...repo.config, version: 1 as const } };
  const id = await saveObject(old, "snapshots", json, signal);
  const bytes = await readAll(repo.storage, `snapshots/${id}`, 10_000, signal);
  assert.deepEqual(openBox(repo.key, bytes), json);
  assert.deepEqual(await loadObject(old, "snapshots", id, signal), json);
  assert.deepEqual(await loadObject(repo, "snapshots", id, signal), json);
});

test("loadObject() calls damaged what does not match its name, its MAC, or any known form", async () => {
  const repo = await openEmpty();
  const good = await saveObject(repo, "snapshots", json, signal);
  const bytes = await readAll(repo.storage, `snapshots/${good}`, 10_000, signal);
  for (let i = 0; i < bytes.length; i += 5) {
    const bent = Buffer.from(bytes);
    bent[i] = (bent[i] ?? 0) ^ 1;
    await repo.storage.remove([`snapshots/${good}`], signal);
    await repo.storage.put(`snapshots/${good}`, bent, signal);
    await rejectsWith(loadObject(repo, "snapshots", good, signal), "damaged");
    // With a name that fits it is the MAC that tells.
    await rejectsWith(loadObject(repo, "snapshots", await store(repo, bent), signal), "damaged");
  }
  const wrong = [
    Buffer.alloc(0),
    bytes.subarray(0, 31),
    sealBox(repo.key, Buffer.from([3, 1, 2])),
    sealBox(repo.key, Buffer.alloc(0)),
    sealBox(repo.key, Buffer.from([2])),
    sealBox(repo.key, Buffer.concat([Buffer.from([2]), compress(json).subarray(0, 20)])),
  ];
  for (const box of wrong) {
    const id = await store(repo, box);
    await assert.rejects(loadObject(repo, "snapshots", id, signal), (error: Error) => {
      return error.message.startsWith(`Cannot read snapshots/${id}: `);
    });
  }
});

test("loadObject() does not unpack a bomb", async () => {
  const repo = await openEmpty();
  const bomb = Buffer.concat([Buffer.from([2]), compress(Buffer.alloc(65 * 1024 * 1024, 0x20))]);
  await rejectsWith(
    loadObject(repo, "snapshots", await store(repo, sealBox(repo.key, bomb)), signal),
    "damaged",
  );
});

test("listObjects() names what has a proper name in its proper place, and nothing else", async () => {
  const repo = await openEmpty();
  const id = "ab".repeat(32);
  const others = [
    `data/${id}`,
    `data/cd/${id}`,
    `data/ab/${id}x`,
    `data/ab/x/${id}`,
    `index/${id.toUpperCase()}`,
    `index/x/${id}`,
  ];
  for (const name of [packName(id), `index/${id}`, ...others]) {
    await repo.storage.put(name, Buffer.from("1234"), signal);
  }
  for (const kind of ["data", "index"] as const) {
    const listed = await listObjects(repo, kind, signal);
    assert.deepEqual(
      listed.map((one) => [one.id, one.sizeBytes]),
      [[id, 4]],
    );
  }
});
