import assert from "node:assert/strict";
import { stat } from "node:fs/promises";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Clock, localStamp } from "../../domain/clock.ts";
import { MemoryStorage } from "../../storage/memory-storage.ts";
import type { Storage } from "../../storage/storage.ts";
import { openMemoryPlace } from "../../testing/archive-vault-places.ts";
import {
  backUp,
  beginOptions,
  listedIds,
  makeImage,
  noonMs,
  noWait,
  readAllOf,
  rejectsWith,
  signal,
  summary,
  TestMachine,
  verifyOptions,
  writeProbe,
} from "../../testing/vault-probe.ts";
import type { Vault } from "../vault.ts";
import { openArchiveVault } from "./archive-vault.ts";
import { TestClock } from "../../testing/test-clock.ts";

const minuteMs = 60_000;
const stamp = localStamp(noonMs);

function openVault(storage: Storage, clock: Clock, machines = new TestMachine(), pid = 1): Promise<Vault> {
  const machine = machines.process(pid);
  return openArchiveVault({ storage, machine, clock, toolVersion: "test", create: true }, signal);
}

async function dataNames(storage: Storage): Promise<string[]> {
  const names = await Array.fromAsync(storage.list("", signal), (object) => object.name);
  return names.filter((name) => !name.startsWith(".vertex/"));
}

test("finish() gives up when the run was silent for so long that its bytes may be cleaned away", async () => {
  await using place = await openMemoryPlace();
  const clock = new TestClock();
  const storage = new MemoryStorage(clock);
  await using vault = await openVault(storage, clock);
  const writer = await vault.begin(beginOptions({ type: "database" }), signal);
  await writer.addDatabase((await makeImage(vault, place.folder)).image, signal);
  clock.ms += 40 * minuteMs;
  await using other = await openVault(storage, clock, new TestMachine(), 2);
  assert.equal((await other.clean(signal)).locksBroken, 1);
  await rejectsWith(writer.finish(summary(), signal), "locked");
  await writer.abort();
  assert.deepEqual(await listedIds(vault), []);
});

test("finish() takes the name back if the machine slept while it was given", async () => {
  await using place = await openMemoryPlace();
  const clock = new TestClock();
  const storage = new MemoryStorage(clock);
  const sleepy = Object.assign(Object.create(storage) as Storage, {
    list: storage.list.bind(storage),
    put: async (name: string, content: Uint8Array, by: AbortSignal) => {
      await storage.put(name, content, by);
      if (name.startsWith("database/") && name.endsWith(".json")) clock.ms += 40 * minuteMs;
    },
    remove: storage.remove.bind(storage),
    stat: storage.stat.bind(storage),
    get: storage.get.bind(storage),
  });
  await using vault = await openVault(sleepy, clock);
  const writer = await vault.begin(beginOptions({ type: "database" }), signal);
  await writer.addDatabase((await makeImage(vault, place.folder)).image, signal);
  await rejectsWith(writer.finish(summary(), signal), "locked");
  assert.deepEqual(
    (await dataNames(storage)).filter((name) => name.endsWith(".json")),
    [],
  );
  await writer.abort();
});

test("a long run refreshes its lock before it gives the name, and finishes", async () => {
  await using place = await openMemoryPlace();
  const clock = new TestClock();
  const storage = new MemoryStorage(clock);
  await using vault = await openVault(storage, clock);
  const writer = await vault.begin(beginOptions({ type: "database" }), signal);
  await writer.addDatabase((await makeImage(vault, place.folder)).image, signal);
  clock.ms += 20 * minuteMs;
  const { id } = await writer.finish(summary(), signal);
  assert.deepEqual(await listedIds(vault), [id]);
  assert.deepEqual((await Array.fromAsync(storage.list(".vertex/locks/", signal))).length, 0);
});

test("abort() leaves what others have put under a name of the run meanwhile, as the Python original might", async () => {
  for (const name of [
    "database/db_backup_20240601_120000.db",
    "storage/storage_backup_20240601_120000.tar.gz",
  ]) {
    await using place = await openMemoryPlace();
    const storage = new MemoryStorage();
    await using vault = await openVault(storage, new TestClock());
    const writer = await vault.begin(beginOptions(), signal);
    await storage.put(name, Buffer.from("made by another program"), signal);
    const written = async (): Promise<unknown> => {
      await writeProbe(vault, writer, place.folder, { type: "full", version: 1 });
      return await writer.finish(summary(), signal);
    };
    await rejectsWith(written(), "exists");
    await writer.abort();
    assert.deepEqual(await dataNames(storage), [name]);
    assert.equal((await listedIds(vault)).length, 1, "it is listed as a file of others");
  }
});

test("clean() removes what a killed run put, and nothing the Python original wrote in the same second (I8)", async () => {
  const foreign = [`database/db_backup_${stamp}.db`, `storage/storage_backup_${stamp}.tar.gz`];
  for (const others of [[], foreign.slice(0, 1), foreign.slice(1), foreign]) {
    await using place = await openMemoryPlace();
    const storage = new MemoryStorage();
    const machines = new TestMachine();
    await using killed = await openVault(storage, new TestClock(), machines, 2);
    const writer = await killed.begin(beginOptions(), signal);
    for (const name of others) await storage.put(name, Buffer.from("made by another program"), signal);
    if (others.length === 0) await writeProbe(killed, writer, place.folder, { type: "full", version: 1 });
    for (let i = 0; others.length === 0 && i < 30_000 && (await dataNames(storage)).length === 0; i++)
      await sleep(10);
    if (others.length === 0) assert.deepEqual(await dataNames(storage), foreign.slice(0, 1));
    machines.kill(2);
    await using other = await openVault(storage, new TestClock(), machines, 1);
    assert.equal((await other.clean(signal)).locksBroken, 1);
    assert.deepEqual(await dataNames(storage), others);
    assert.equal((await listedIds(other)).length, others.length, "they are listed as files of others");
  }
});

test("abort() while a database is being stored leaves neither object nor image", async () => {
  await using place = await openMemoryPlace();
  const storage = new MemoryStorage();
  await using vault = await openVault(storage, new TestClock());
  const writer = await vault.begin(beginOptions({ type: "database" }), signal);
  const { image } = await makeImage(vault, place.folder);
  await writer.addDatabase(image, signal);
  await writer.abort();
  assert.deepEqual(await dataNames(storage), []);
  await assert.rejects(stat(image.imagePath), { code: "ENOENT" });
  await assert.rejects(writer.addDatabase(image, signal), TypeError);
  await assert.rejects(writer.finish(summary(), signal), TypeError);
});

test("a writer refuses what its type does not hold", async () => {
  await using place = await openMemoryPlace();
  await using vault = await openVault(new MemoryStorage(), new TestClock());
  const database = await vault.begin(beginOptions({ type: "database" }), signal);
  await assert.rejects(database.add([], signal), TypeError);
  await database.abort();
  const storage = await vault.begin(beginOptions({ type: "storage" }), signal);
  await assert.rejects(storage.addDatabase((await makeImage(vault, place.folder)).image, signal), TypeError);
  await storage.abort();
});

test("backups that are made while others are removed are whole, and the removal takes nothing of theirs", async () => {
  await using place = await openMemoryPlace();
  const storage = new MemoryStorage();
  const machines = new TestMachine();
  const clock: Clock = { now: () => noonMs, elapsed: () => performance.now() };
  await using one = await openVault(storage, clock, machines, 1);
  await using two = await openVault(storage, clock, machines, 2);
  const kept = new Map<string, ReadonlyMap<string, string>>();
  const patience = { ...noWait, lockWaitMs: 600_000 };
  for (let round = 0; round < 5; round++) {
    const at = (n: number): number => noonMs + (round * 10 + n) * 1_000;
    const old = await backUp(one, place.folder, { type: "database", startedAtMs: at(0) });
    const writer = await one.begin(beginOptions({ type: "full", startedAtMs: at(1) }), signal);
    const removing = two.exclusively((remover) => remover.remove([old.backup.id], signal), patience, signal);
    await writeProbe(one, writer, place.folder, { type: "full", version: round });
    const backup = await writer.finish(summary(), signal);
    await removing;
    kept.set(backup.id, await readAllOf(two, backup.id));
  }
  assert.deepEqual(new Set(await listedIds(two)), new Set(kept.keys()));
  for (const [id, content] of kept) assert.deepEqual(await readAllOf(two, id), content);
});

test("verify() and list() never call a full backup good in which any stored byte was changed", async () => {
  await using place = await openMemoryPlace();
  const storage = new MemoryStorage();
  await using vault = await openVault(storage, new TestClock());
  const { backup } = await backUp(vault, place.folder);
  for (const file of backup.files) {
    const bytes = Buffer.concat(await Array.fromAsync(storage.get(file.name, undefined, signal)));
    for (const position of [0, bytes.byteLength >> 1, bytes.byteLength - 2]) {
      const changed = Buffer.from(bytes);
      changed[position] = (changed[position] ?? 0) ^ 0x04;
      await storage.remove([file.name], signal);
      await storage.put(file.name, changed, signal);
      const report = await vault.verify(backup.id, verifyOptions(place.folder), signal);
      assert.equal(report.ok, false, `${file.name} at ${position}`);
      assert.equal(report.damages[0]?.object, file.name);
    }
    await storage.remove([file.name], signal);
    const missing = await vault.verify(backup.id, verifyOptions(place.folder), signal).catch(() => undefined);
    assert.notEqual(missing?.ok, true, `${file.name} is missing`);
    await storage.put(file.name, bytes, signal);
  }
  assert.equal((await vault.verify(backup.id, verifyOptions(place.folder), signal)).ok, true);
});

test("finish() asks how long the backup took when everything is stored but its metadata", async () => {
  await using place = await openMemoryPlace();
  const storage = new MemoryStorage();
  const done: string[] = [];
  const put = storage.put.bind(storage);
  storage.put = async (name, content, by) => {
    await put(name, content, by);
    done.push(name);
  };
  await using vault = await openVault(storage, new TestClock());
  const writer = await vault.begin(beginOptions(), signal);
  await writeProbe(vault, writer, place.folder, { type: "full", version: 1 });
  const durationMs = (): number => done.push("asked") && 1234;
  const backup = await writer.finish(summary({ durationMs }), signal);
  assert.equal(backup.durationMs, 1234);
  assert.equal(done.filter((step) => step === "asked").length, 1);
  const before = done.slice(0, done.indexOf("asked"));
  for (const { name, role } of backup.files) {
    assert.equal(before.includes(name), role !== "metadata", name);
  }
});
