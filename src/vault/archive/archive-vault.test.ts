import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { systemClock } from "../../domain/clock.ts";
import { openLocalStorage } from "../../storage/local-storage.ts";
import { MemoryStorage } from "../../storage/memory-storage.ts";
import type { Storage } from "../../storage/storage.ts";
import { openLocalPlace, openMemoryPlace, openTestVault } from "../../testing/archive-vault-places.ts";
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
} from "../../testing/vault-probe.ts";
import type { Vault } from "../vault.ts";
import { openArchiveVault } from "./archive-vault.ts";

const machine = new TestMachine().process(1);
const stamp = "20240601_120000";

async function put(storage: Storage, name: string, text: string): Promise<void> {
  await storage.put(name, Buffer.from(text), signal);
}

/** Replaces an object's bytes, as damage or a newer version would have. */
async function replace(storage: Storage, name: string, change: (text: string) => string): Promise<void> {
  const text = Buffer.concat(await Array.fromAsync(storage.get(name, undefined, signal))).toString("latin1");
  await storage.remove([name], signal);
  await storage.put(name, Buffer.from(change(text), "latin1"), signal);
}

async function namesIn(storage: Storage): Promise<string[]> {
  const names = await Array.fromAsync(storage.list("", signal), (object) => object.name);
  return names.sort();
}

async function removeOne(vault: Vault, id: string): Promise<void> {
  await vault.exclusively((remover) => remover.remove([id], signal), noWait, signal);
}

test("the vault's layout on disk is the documented one, private to its owner", async () => {
  await using place = await openLocalPlace();
  await using vault = await place.open(machine);
  const { backup } = await backUp(vault, place.folder);
  assert.equal(backup.id, `full_backup_${stamp}`);
  const found = (await readdir(place.vault, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(place.vault.length + 1));
  assert.deepEqual(found.sort(), [
    ".vertex/reserve/1",
    ".vertex/reserve/2",
    ".vertex/reserve/3",
    ".vertex/reserve/4",
    ".vertex/vault.json",
    `database/db_backup_${stamp}.db`,
    `database/db_backup_${stamp}.json`,
    `full/full_backup_${stamp}.json`,
    `storage/storage_backup_${stamp}.contents.jsonl.gz`,
    `storage/storage_backup_${stamp}.json`,
    `storage/storage_backup_${stamp}.tar.gz`,
  ]);
  for (const name of found) assert.equal((await stat(join(place.vault, name))).mode & 0o777, 0o600, name);
  for (const folder of ["", "full", "database", "storage", ".vertex"]) {
    assert.equal((await stat(join(place.vault, folder))).mode & 0o777, 0o700, folder);
  }
  const part = JSON.parse(await readFile(join(place.vault, `database/db_backup_${stamp}.json`), "utf8"));
  assert.equal(part.part_of, backup.id);
  const full = JSON.parse(await readFile(join(place.vault, `full/full_backup_${stamp}.json`), "utf8"));
  assert.deepEqual(full.parts, [`db_backup_${stamp}`, `storage_backup_${stamp}`]);
});

test("addDatabase() takes over an image in the staging folder without leaving anything there", async () => {
  await using place = await openLocalPlace();
  await using vault = await place.open(machine);
  const { image, content } = await makeImage(vault, place.folder);
  assert.ok(image.imagePath.startsWith(vault.stagingDirectory ?? "?"));
  const writer = await vault.begin(beginOptions({ type: "database" }), signal);
  await writer.addDatabase(image, signal);
  await writer.finish(summary(), signal);
  assert.deepEqual(await readdir(vault.stagingDirectory ?? ""), []);
  assert.ok((await readFile(join(place.vault, `database/db_backup_${stamp}.db`))).equals(content));
});

test("addDatabase() records the hash of what is stored, also of an image that was written after it was expected", async () => {
  for (const changes of [false, true]) {
    await using place = await openLocalPlace();
    await using vault = await place.open(machine);
    const { image } = await makeImage(vault, place.folder);
    const writer = await vault.begin(beginOptions({ type: "database" }), signal);
    writer.expectDatabase?.(image.imagePath, signal);
    if (changes) {
      await setTimeout(50);
      const content = await readFile(image.imagePath);
      content[100] = 0xff;
      await writeFile(image.imagePath, content);
    }
    await writer.addDatabase(image, signal);
    const { databases } = await writer.finish(summary(), signal);
    const stored = await readFile(join(place.vault, `database/db_backup_${stamp}.db`));
    assert.equal(databases[0]?.sha256, createHash("sha256").update(stored).digest("hex"));
  }
});

test("addDatabase() refuses an image that is not as large as it is said to be", async () => {
  await using place = await openLocalPlace();
  await using vault = await place.open(machine);
  const { image } = await makeImage(vault, place.folder);
  const writer = await vault.begin(beginOptions({ type: "database" }), signal);
  await writer.addDatabase({ ...image, sizeBytes: image.sizeBytes + 1 }, signal);
  await rejectsWith(writer.finish(summary(), signal), "damaged");
  await writer.abort();
  assert.deepEqual(await readdir(join(place.vault, "database")), []);
  assert.deepEqual(await readdir(join(place.vault, ".vertex/locks")), []);
});

test("openArchiveVault() makes a vault only where it is told to, and only where nothing else is", async () => {
  const storage = new MemoryStorage();
  await rejectsWith(openTestVault(storage, machine, false), "not-found");
  assert.deepEqual(await namesIn(storage), []);
  await put(storage, "backup.log", "started");
  await openTestVault(storage, machine, true);
  await openTestVault(storage, machine, false);
  const restic = new MemoryStorage();
  for (const name of ["config", "keys/ab", "data/00/cd", "snapshots/ef"]) await put(restic, name, "x");
  await assert.rejects(
    openTestVault(restic, machine),
    /Cannot use memory as an archive vault: it is a restic repository/,
  );
  const photos = new MemoryStorage();
  await put(photos, "summer/beach.jpg", "x");
  await rejectsWith(openTestVault(photos, machine), "invalid-input");
  await rejectsWith(openTestVault(photos, machine, false), "invalid-input");
});

test("openArchiveVault() refuses a newer vault by name, and one whose marker is unreadable", async () => {
  for (const [text, kind] of [
    ['{"format_version": 2, "other": {}}', "unsupported"],
    ["{", "damaged"],
    ['{"format_version": "1"}', "damaged"],
  ] as const) {
    const storage = new MemoryStorage();
    await put(storage, ".vertex/vault.json", text);
    await rejectsWith(openTestVault(storage, machine), kind);
  }
});

test("openArchiveVault() refuses a storage in which two runs could overwrite each other", async () => {
  const storage = new MemoryStorage();
  const weak = Object.assign(Object.create(storage) as Storage, {
    properties: { ...storage.properties, putIfAbsent: false },
  });
  await rejectsWith(openTestVault(weak, machine), "unsupported");
});

test("a read-only vault is listed, read and held without a single write", async () => {
  await using place = await openMemoryPlace();
  const storage = new MemoryStorage();
  const { backup, content } = await backUp(await openTestVault(storage, machine), place.folder, {
    type: "database",
  });
  const refuse = (): never => assert.fail("a write");
  const readOnly: Storage = {
    location: "read-only",
    properties: { ...storage.properties, readOnly: true, putIfAbsent: false },
    get: storage.get.bind(storage),
    stat: storage.stat.bind(storage),
    list: storage.list.bind(storage),
    freeBytes: storage.freeBytes.bind(storage),
    put: refuse,
    remove: refuse,
    cleanUnfinished: refuse,
    [Symbol.asyncDispose]: async () => undefined,
  };
  await using vault = await openTestVault(readOnly, machine, false);
  assert.equal(vault.readOnly, true);
  await using _ = await vault.hold(signal);
  assert.deepEqual(await listedIds(vault), [backup.id]);
  assert.deepEqual(await readAllOf(vault, backup.id), content);
  assert.deepEqual(await vault.clean(signal), { objectsRemoved: 0, locksBroken: 0 });
  await rejectsWith(vault.begin(beginOptions(), signal), "storage-unavailable");
  await rejectsWith(removeOne(vault, backup.id), "storage-unavailable");
});

test("listNames() has a new name when the metadata of a backup comes, which is last", async () => {
  await using place = await openLocalPlace();
  await using vault = await place.open(machine);
  const { backup } = await backUp(vault, place.folder);
  const files = await readdir(place.vault, { recursive: true });
  const metadata = files.find((name) => name.endsWith(`${backup.id}.json`)) ?? assert.fail();
  const finished = await vault.listNames(signal);
  await rename(join(place.vault, metadata), join(place.folder, "kept"));
  const unfinished = await vault.listNames(signal);
  assert.ok(finished.has(backup.id) && unfinished.size > 0 && !unfinished.has(backup.id));
  await rename(join(place.folder, "kept"), join(place.vault, metadata));
  assert.deepEqual(await vault.listNames(signal), finished);
});

test("begin() refuses what no metadata could say, before anything is written", async () => {
  const storage = new MemoryStorage();
  await using vault = await openTestVault(storage, machine);
  const before = await namesIn(storage);
  for (const changes of [{ tags: ["x".repeat(5_000)] }, { source: "x".repeat(5_000) }]) {
    await rejectsWith(vault.begin(beginOptions(changes), signal), "invalid-input");
  }
  assert.deepEqual(await namesIn(storage), before);
});

test("files of the Python original are listed as unverified, can be read, and are never removed", async () => {
  await using place = await openLocalPlace();
  await mkdir(join(place.vault, "database"), { recursive: true });
  await mkdir(join(place.vault, "full"), { recursive: true });
  await writeFile(join(place.vault, "database/db_backup_20230101_120000.db"), "python's");
  await writeFile(join(place.vault, "database/db_backup_20230202_120000.db"), "with metadata of its own");
  await writeFile(join(place.vault, "database/db_backup_20230202_120000.json"), '{"type": "database"}');
  await writeFile(join(place.vault, "full/full_backup_20230202_120000.json"), '{"database": "x.db"}');
  const storage = await openLocalStorage(place.vault, { create: false, machine });
  const before = await namesIn(storage);
  await using reading = await openTestVault(storage, machine, false);
  const listed = await reading.list(signal);
  assert.deepEqual(await namesIn(storage), before);
  assert.deepEqual(
    listed.map((backup) => [backup.id, backup.state, backup.neverRemoved]),
    [
      ["db_backup_20230202_120000", "unverified", true],
      ["db_backup_20230101_120000", "unverified", true],
    ],
  );
  assert.equal(listed[1]?.startedAtMs, new Date(2023, 0, 1, 12).getTime());
  const [[name, hex] = []] = await readAllOf(reading, "db_backup_20230101_120000");
  assert.equal(name, "database db_backup_20230101_120000.db");
  assert.equal(Buffer.from(hex ?? "", "hex").toString(), "python's");
  const report = await reading.verify("db_backup_20230101_120000", verifyOptions(place.folder), signal);
  assert.deepEqual([report.ok, report.unverified, report.databasesChecked], [true, true, 1]);
  await rejectsWith(removeOne(reading, "db_backup_20230101_120000"), "unsupported");
  await backUp(reading, place.folder, { type: "database" });
  await openTestVault(storage, machine, true);
  assert.deepEqual(
    (await namesIn(storage)).filter((one) => before.includes(one)),
    before,
  );
  assert.equal((await reading.list(signal)).length, 3);
});

test("metadata of a newer version is reported, never removed, and its backup refused by name", async () => {
  await using place = await openMemoryPlace();
  const storage = new MemoryStorage();
  await using vault = await openTestVault(storage, machine);
  const { backup } = await backUp(vault, place.folder, { type: "database" });
  const name = `database/${backup.id}.json`;
  await replace(storage, name, () => '{"format_version": 9, "id": 7}');
  const [listed, ...more] = await vault.list(signal);
  assert.deepEqual(more, []);
  assert.deepEqual([listed?.state, listed?.neverRemoved], ["damaged", true]);
  assert.match(listed?.stateReason ?? "", /newer version .*format 9/);
  await assert.rejects(vault.open(backup.id, signal), /Cannot open db_backup_.*newer version/);
  await rejectsWith(vault.open(backup.id, signal), "unsupported");
  await rejectsWith(removeOne(vault, backup.id), "unsupported");
  assert.ok((await namesIn(storage)).includes(`database/${backup.id}.db`));
});

test("unreadable metadata makes a damaged backup that is never removed, and no list fails for it", async () => {
  await using place = await openMemoryPlace();
  const storage = new MemoryStorage();
  await using vault = await openTestVault(storage, machine);
  const bad = await backUp(vault, place.folder, { type: "database" });
  const good = await backUp(vault, place.folder, { type: "database", startedAtMs: noonMs + 1_000 });
  await replace(storage, `database/${bad.backup.id}.json`, (text) => text.slice(0, 100));
  const listed = await vault.list(signal);
  assert.deepEqual(
    listed.map((backup) => [backup.id, backup.state, backup.neverRemoved]),
    [
      [good.backup.id, "good", undefined],
      [bad.backup.id, "damaged", true],
    ],
  );
  await rejectsWith(vault.open(bad.backup.id, signal), "damaged");
  await rejectsWith(removeOne(vault, bad.backup.id), "unsupported");
  const report = await vault.verify(bad.backup.id, verifyOptions(place.folder), signal);
  assert.deepEqual(
    report.damages.map((damage) => damage.object),
    [`database/${bad.backup.id}.json`],
  );
});

test("list() and verify() name a file that is missing or cut short", async () => {
  await using place = await openLocalPlace();
  await using vault = await place.open(machine);
  const { backup } = await backUp(vault, place.folder, { type: "database" });
  const name = `database/${backup.id}.db`;
  await truncate(join(place.vault, name), 100);
  const [cut] = await vault.list(signal);
  assert.deepEqual([cut?.state, cut?.stateReason], ["damaged", `${name} has 100 bytes, wanted 8192`]);
  await rm(join(place.vault, name));
  const [missing] = await vault.list(signal);
  assert.deepEqual([missing?.state, missing?.stateReason], ["damaged", `${name} is missing`]);
  const report = await vault.verify(backup.id, verifyOptions(place.folder), signal);
  assert.deepEqual(report.damages, [{ object: name, message: "it is missing" }]);
});

test("verify() and open() notice a flipped bit in any file of a database backup", async () => {
  await using place = await openMemoryPlace();
  const storage = new MemoryStorage();
  await using vault = await openTestVault(storage, machine);
  const { backup } = await backUp(vault, place.folder, { type: "database" });
  const name = `database/${backup.id}.db`;
  await replace(storage, name, (text) => `${text.slice(0, 4_000)}\u0001${text.slice(4_001)}`);
  const report = await vault.verify(backup.id, verifyOptions(place.folder, { depth: "stored" }), signal);
  assert.deepEqual(
    report.damages.map((damage) => [damage.object, /SHA-256/.test(damage.message)]),
    [[name, true]],
  );
  await using reader = await vault.open(backup.id, signal);
  await rejectsWith(Array.fromAsync(reader.readDatabase("app.db", signal)), "damaged");
});

test("verify() notices when metadata of a part of a full backup is missing or changed", async () => {
  await using place = await openMemoryPlace();
  const storage = new MemoryStorage();
  await using vault = await openTestVault(storage, machine);
  const roots = { roots: [] };
  const writer = await vault.begin(beginOptions(roots), signal);
  await writer.addDatabase((await makeImage(vault, place.folder)).image, signal);
  const backup = await writer.finish(summary(), signal);
  const part = `database/db_backup_${stamp}.json`;
  await replace(storage, part, (text) => text.replace("shop", "shap"));
  const changed = await vault.verify(backup.id, verifyOptions(place.folder), signal);
  assert.deepEqual(
    changed.damages.map((damage) => damage.object),
    [part],
  );
  await storage.remove([part], signal);
  const missing = await vault.verify(backup.id, verifyOptions(place.folder), signal);
  assert.deepEqual(missing.damages, [{ object: part, message: "it is missing" }]);
  assert.deepEqual(
    (await vault.list(signal)).map((one) => [one.id, one.state]),
    [[backup.id, "damaged"]],
  );
});

test("parts whose full backup lost its metadata are shown as damaged, never removed and never cleaned", async () => {
  await using place = await openMemoryPlace();
  const storage = new MemoryStorage();
  await using vault = await openTestVault(storage, machine);
  const writer = await vault.begin(beginOptions({ roots: [] }), signal);
  await writer.addDatabase((await makeImage(vault, place.folder)).image, signal);
  const { id } = await writer.finish(summary(), signal);
  await storage.remove([`full/${id}.json`], signal);
  const listed = await vault.list(signal);
  assert.deepEqual(
    listed.map((backup) => [backup.id, backup.state, backup.neverRemoved]),
    [[`db_backup_${stamp}`, "damaged", true]],
  );
  assert.equal((await readAllOf(vault, `db_backup_${stamp}`)).size, 1);
  await rejectsWith(removeOne(vault, `db_backup_${stamp}`), "unsupported");
  assert.deepEqual(await vault.clean(signal), { objectsRemoved: 0, locksBroken: 0 });
});

test("list() reads one document per backup, and none of the parts'", async () => {
  await using place = await openMemoryPlace();
  const storage = new MemoryStorage();
  await using vault = await openTestVault(storage, machine);
  const count = 20;
  for (let i = 0; i < count; i++) {
    const writer = await vault.begin(beginOptions({ roots: [], startedAtMs: noonMs + i * 1_000 }), signal);
    await writer.addDatabase((await makeImage(vault, place.folder)).image, signal);
    await writer.finish(summary(), signal);
  }
  const read: string[] = [];
  const counting = Object.assign(Object.create(storage) as Storage, {
    get(name: string, range: undefined, by: AbortSignal) {
      read.push(name);
      return storage.get(name, range, by);
    },
    list: storage.list.bind(storage),
    stat: () => assert.fail("no file has to be looked up"),
  });
  await using counted = await openArchiveVault(
    { storage: counting, machine, clock: systemClock, toolVersion: "test", create: false },
    signal,
  );
  assert.equal((await counted.list(signal)).length, count);
  assert.equal(read.filter((name) => name.startsWith("full/")).length, count);
  assert.deepEqual(
    read.filter((name) => !name.startsWith("full/")),
    [".vertex/vault.json"],
  );
});
