import assert from "node:assert/strict";
import { test } from "node:test";
import { BackupError, isBackupError } from "../../../../domain/error.ts";
import { encodeIndex, parseIndex } from "../../../../format/restic/index-file.ts";
import type { IndexedPack } from "../../../../format/restic/model.ts";
import type { ByteRange, Storage } from "../../../../storage/storage.ts";
import { withBadSector } from "../../../../testing/bad-sector.ts";
import {
  objectsOf,
  type SampleFiles,
  storageOf,
  storeSample,
} from "../../../../testing/sample-repository.ts";
import { openTestRepository } from "../../../../testing/test-repository.ts";
import { noWait, signal } from "../../../../testing/vault-probe.ts";
import type { CheckOptions, CheckReport } from "../../../maintenance.ts";
import { loadIndex } from "../../load-index.ts";
import { documentName, loadObject, packName, saveObject } from "../../objects.ts";
import type { Repository } from "../../repository.ts";
import { checkRepository } from "./check-repository.ts";

type Objects = Map<string, Buffer>;

const files: SampleFiles = {
  "/srv/app/a.txt": ["first part ", "second part "],
  "/srv/app/deep/b.txt": ["bee "],
  "/srv/app/empty": [],
};

/** A repository with two backups, the second of which has one more file. */
async function makeSample(): Promise<{
  readonly repo: Repository;
  readonly objects: Objects;
  readonly snapshots: readonly [string, string];
}> {
  const repo = await openTestRepository(await storageOf(new Map()));
  const one = await storeSample(repo, files);
  const two = await storeSample(repo, { ...files, "/srv/app/z.txt": ["zee "] }, 5);
  return { repo, objects: new Map(await objectsOf(repo.storage)), snapshots: [one, two] };
}

async function check(
  repo: Repository,
  objects: ReadonlyMap<string, Uint8Array>,
  readData: CheckOptions["readData"] = "all",
): Promise<CheckReport> {
  // The key is opened once: a thousand checks would take a minute to derive it.
  const damaged = { ...repo, storage: await storageOf(objects) };
  return await checkRepository(damaged, { ...noWait, readData }, () => 0, signal);
}

function flipped(objects: ReadonlyMap<string, Buffer>, name: string, at: number): Objects {
  const bytes = Buffer.from(objects.get(name) ?? assert.fail(name));
  bytes.writeUInt8((bytes[at] ?? 0) ^ (1 << (at % 8)), at);
  return new Map(objects).set(name, bytes);
}

/** Where a text's blob lies. */
async function placeOf(repo: Repository, text: string, type: "data" | "tree" = "data") {
  const { hash } = await import("node:crypto");
  const { index } = await loadIndex(repo, signal);
  return index.find(hash("sha256", text, "hex"), type) ?? assert.fail(text);
}

function without(objects: Objects, ...names: readonly string[]): Objects {
  return new Map([...objects].filter(([name]) => !names.includes(name)));
}

/** The same repository with its index written anew by `change`. */
async function withIndex(
  repo: Repository,
  objects: Objects,
  change: (packs: IndexedPack[]) => readonly (readonly IndexedPack[])[],
): Promise<Objects> {
  const storage = await storageOf(objects);
  const changed = { ...repo, storage };
  const packs: IndexedPack[] = [];
  const { files: old } = await loadIndex(changed, signal);
  for (const { id } of old) {
    parseIndex(await loadObject(changed, "index", id, signal), (pack) => packs.push(pack));
  }
  for (const file of change(packs)) await saveObject(changed, "index", encodeIndex(file), signal);
  await storage.remove(
    old.map(({ id }) => documentName("index", id)),
    signal,
  );
  return new Map(await objectsOf(storage));
}

function paths({ damages }: CheckReport): readonly (string | undefined)[] {
  return damages.flatMap(({ path }) => path ?? []);
}

test("check() finds nothing wrong with a whole repository, and says what it looked at", async () => {
  const { repo, objects, snapshots } = await makeSample();
  const report = await check(repo, objects);
  assert.deepEqual(report.damages, []);
  assert.deepEqual(report.notes, []);
  assert.equal(report.ok, true);
  assert.deepEqual(new Set(report.checked), new Set(snapshots));
  assert.equal(report.packsRead, report.packsTotal);
  const packs = [...objects].filter(([name]) => name.startsWith("data/"));
  assert.equal(
    report.bytesRead,
    packs.reduce((sum, [, bytes]) => sum + bytes.length, 0),
  );
  assert.equal((await check(repo, objects, "none")).bytesRead, 0);
});

test("check() with all data finds any single byte that is flipped, in every kind of file", async () => {
  const repo = await openTestRepository(await storageOf(new Map()));
  await storeSample(repo, { "/a": ["a "] });
  const objects = new Map(await objectsOf(repo.storage));
  let tried = 0;
  const kinds = new Set<string>();
  for (const [name, bytes] of objects) {
    for (let at = 0; at < bytes.length; at++) {
      const report = await check(repo, flipped(objects, name, at));
      assert.equal(report.ok, false, `byte ${at} of ${name}`);
      assert.ok(
        report.damages.some(({ object }) => object === name),
        `byte ${at} of ${name}: ${JSON.stringify(report.damages)}`,
      );
      tried++;
    }
    kinds.add(name.split("/")[0] ?? "");
  }
  assert.deepEqual(kinds, new Set(["config", "keys", "index", "snapshots", "data"]));
  assert.ok(tried > 1_000, `${tried} bytes`);
});

test("check() names the path and the backups of a blob that is damaged, and no others", async () => {
  const { repo, objects, snapshots } = await makeSample();
  const place = await placeOf(repo, "zee ");
  const report = await check(repo, flipped(objects, packName(place.pack), place.offset + 20));
  assert.deepEqual(paths(report), ["/srv/app/z.txt"]);
  assert.deepEqual(report.affected, [snapshots[1]]);
  const [named] = report.damages.filter(({ path }) => path !== undefined);
  assert.equal(named?.object, `snapshots/${snapshots[1]}`);
  assert.equal(
    named?.message,
    `blob ${place.id} of pack ${place.pack} cannot be read: its MAC does not fit its bytes`,
  );
});

test("check() names a path once that several backups lost", async () => {
  const { repo, objects, snapshots } = await makeSample();
  const place = await placeOf(repo, "second part ");
  const report = await check(repo, flipped(objects, packName(place.pack), place.offset + 20));
  assert.deepEqual(paths(report), ["/srv/app/a.txt"]);
  assert.deepEqual(new Set(report.affected), new Set(snapshots));
  assert.match(report.damages.at(-1)?.message ?? "", /\(also in 1 other backup\)$/);
});

test("check() does not call a blob lost that another pack has whole", async () => {
  const { repo, objects } = await makeSample();
  const place = await placeOf(repo, "bee ");
  const storage = await storageOf(objects);
  const { PackWriter } = await import("../pack-writer.ts");
  const writer = new PackWriter({ ...repo, storage }, signal);
  await writer.add(place.id, "data", Buffer.from("bee "));
  await saveObject({ ...repo, storage }, "index", encodeIndex(await writer.finish()), signal);
  const twice = new Map(await objectsOf(storage));
  const report = await check(repo, flipped(twice, packName(place.pack), place.offset + 20));
  assert.deepEqual(paths(report), []);
  assert.deepEqual(report.affected, []);
  assert.equal(report.ok, false, "the pack is damaged all the same");
});

test("check() names a missing pack, and everything that is lost with it", async () => {
  const { repo, objects, snapshots } = await makeSample();
  const { pack } = await placeOf(repo, "zee ");
  for (const readData of ["none", "all"] as const) {
    const report = await check(repo, without(objects, packName(pack)), readData);
    assert.deepEqual(report.damages[0], {
      object: packName(pack),
      message: "the index lists this pack, and it is missing",
    });
    assert.deepEqual(paths(report), ["/srv/app/z.txt"]);
    assert.deepEqual(report.affected, [snapshots[1]]);
  }
});

test("check() names a missing tree by the folder that is lost", async () => {
  const { repo, objects, snapshots } = await makeSample();
  const { index } = await loadIndex(repo, signal);
  const trees = Array.from(index.packs()).filter(({ blobs }) => blobs[0]?.type === "tree");
  const gone = without(objects, ...trees.map(({ id }) => packName(id)));
  const report = await check(repo, gone, "none");
  assert.deepEqual(paths(report), ["/", "/"]);
  assert.deepEqual(new Set(report.affected), new Set(snapshots));
});

test("check() names a truncated pack by its size, and what lies behind its end", async () => {
  const { repo, objects } = await makeSample();
  const place = await placeOf(repo, "zee ");
  const name = packName(place.pack);
  const whole = objects.get(name) ?? assert.fail();
  const report = await check(repo, new Map(objects).set(name, whole.subarray(0, place.offset + 10)), "none");
  assert.deepEqual(report.damages[0], {
    object: name,
    message: `it has ${place.offset + 10} bytes, by the index it should have ${whole.length}`,
  });
  assert.match(report.damages[1]?.message ?? "", /that pack ends before it$/);
  assert.deepEqual(paths(report), ["/srv/app/z.txt"]);
});

test("check() names a missing index by the blobs it listed, and the packs that are in none now", async () => {
  const { repo, objects } = await makeSample();
  const index = [...objects.keys()].filter((name) => name.startsWith("index/"));
  const report = await check(repo, without(objects, ...index), "none");
  assert.match(report.damages[0]?.message ?? "", /^blob [0-9a-f]{64} is in no index/);
  assert.match(report.notes[0] ?? "", /packs are in no index/);
});

test("check() finds an index that says something else of a blob than its pack", async () => {
  const { repo, objects } = await makeSample();
  const longer = await withIndex(repo, objects, (packs) => [
    packs.map((pack) => ({
      ...pack,
      blobs: pack.blobs.map((blob, i) => (i === 0 ? { ...blob, length: blob.length + 1 } : blob)),
    })),
  ]);
  const quick = await check(repo, longer, "none");
  assert.match(quick.damages[0]?.message ?? "", /by the index it should have/);
  const full = await check(repo, longer);
  assert.ok(full.damages.some(({ message }) => message.includes("as its header does")));
  const renamed = await withIndex(repo, objects, (packs) => [
    packs.map((pack) => ({
      ...pack,
      blobs: pack.blobs.map((blob) => ({ ...blob, id: `${blob.id.slice(0, 60)}0000` })),
    })),
  ]);
  const report = await check(repo, renamed);
  assert.ok(report.damages.some(({ message }) => /its SHA-256 is [0-9a-f]{64}$/.test(message)));
});

test("check() takes packs in several index files, unlisted packs and unknown files for notes", async () => {
  const { repo, objects } = await makeSample();
  const twice = await withIndex(repo, objects, (packs) => [packs, packs]);
  const stray = new Map(twice)
    .set("data/aa/not-a-pack", Buffer.from("?"))
    .set(packName("cd".repeat(32)), Buffer.from("half"))
    .set("notes.txt", Buffer.from("mine"))
    .set("vertex-backup/records/x", Buffer.from("a record"));
  const report = await check(repo, stray);
  assert.equal(report.ok, true);
  assert.equal(report.notes.length, 4, report.notes.join("\n"));
  assert.match(report.notes.join("\n"), /notes\.txt is no file of a repository/);
  assert.match(report.notes.join("\n"), /1 pack is in no index/);
  assert.match(report.notes.join("\n"), /packs are listed by several files of the index/);
});

test("check() calls a backup affected whose snapshot cannot be read", async () => {
  const { repo, objects, snapshots } = await makeSample();
  const report = await check(repo, flipped(objects, `snapshots/${snapshots[0]}`, 40));
  assert.deepEqual(report.affected, [snapshots[0]]);
  assert.deepEqual(report.damages, [
    { object: `snapshots/${snapshots[0]}`, message: "its bytes do not match its name" },
  ]);
});

test("check() reads only the part of the packs that was asked for", async () => {
  const { repo, objects } = await makeSample();
  const parts = await Promise.all([1, 2].map((part) => check(repo, objects, { part, of: 2 })));
  const [one, two] = parts;
  assert.equal((one?.packsRead ?? 0) + (two?.packsRead ?? 0), one?.packsTotal);
});

/** Cannot give one object, for a reason of the system's. */
async function checkWithout(
  repo: Repository,
  objects: ReadonlyMap<string, Uint8Array>,
  failure: { readonly name: string; readonly code: string },
): Promise<CheckReport> {
  const inner = await storageOf(objects);
  const storage: Storage = Object.assign(Object.create(inner), {
    async *get(name: string, ...rest: [ByteRange | undefined, AbortSignal]) {
      if (name === failure.name) {
        const { code } = failure;
        throw new BackupError("storage-unavailable", `Cannot read ${name}: ${code}`, { details: { code } });
      }
      yield* inner.get(name, ...rest);
    },
    list: (...args: Parameters<Storage["list"]>) => inner.list(...args),
  });
  return await checkRepository({ ...repo, storage }, { ...noWait, readData: "all" }, () => 0, signal);
}

test("check() takes a pack on a bad part of the disk for damage, and missing permission for no word on it", async () => {
  const { repo, objects } = await makeSample();
  const { pack } = await placeOf(repo, "bee ");
  const name = packName(pack);
  const { damages } = await checkWithout(repo, objects, { name, code: "EIO" });
  assert.equal(damages[0]?.object, name);
  const isForbidden = (error: unknown): boolean => isBackupError(error, "storage-unavailable");
  await assert.rejects(checkWithout(repo, objects, { name, code: "EACCES" }), isForbidden);
});

test("check() names any key, index and snapshot on a bad part of the disk, and looks at the rest", async () => {
  const { repo, objects, snapshots } = await makeSample();
  const { pack, offset } = await placeOf(repo, "bee ");
  const damaged = flipped(objects, packName(pack), offset + 20);
  const names = [...objects.keys()].filter((name) => /^(keys|index|snapshots)/.test(name));
  assert.equal(names.length, 5, "a key, and an index and a snapshot of each backup");
  for (const name of names) {
    const { damages, affected, packsTotal } = await checkWithout(repo, damaged, { name, code: "EIO" });
    const named = damages.find(({ object }) => object === name);
    assert.equal(named?.message, "its bytes cannot be read: EIO");
    const isSnapshot = name.startsWith("snapshots/");
    if (isSnapshot) assert.ok(affected.includes(name.slice("snapshots/".length)));
    const seesBlobs = !name.startsWith("index/");
    if (seesBlobs)
      assert.ok(
        damages.some(({ object }) => object === packName(pack)),
        name,
      );
    assert.equal(packsTotal, [...objects.keys()].filter((one) => one.startsWith("data/")).length);
    const isForbidden = (error: unknown): boolean => isBackupError(error, "storage-unavailable");
    await assert.rejects(checkWithout(repo, damaged, { name, code: "EACCES" }), isForbidden);
  }
  assert.equal(snapshots.length, 2);
});

test("check() ends where the disk cannot read anything, not even the config", async () => {
  const { repo, objects } = await makeSample();
  const isAway = (error: unknown): boolean => isBackupError(error, "storage-unavailable");
  await assert.rejects(checkWithout(repo, objects, { name: "config", code: "EIO" }), isAway);
});

test("check() names the pack and the paths of a tree on a bad part of the disk, and looks at the rest", async () => {
  const { repo, objects } = await makeSample();
  const { index } = await loadIndex(repo, signal);
  const trees = [...index.packs()].filter(({ blobs }) => blobs[0]?.type === "tree");
  for (const { id, blobs } of trees) {
    for (const { offset } of blobs) {
      const storage = withBadSector(await storageOf(objects), { name: packName(id), at: offset + 20 });
      for (const readData of ["none", "all"] as const) {
        const report = await checkRepository({ ...repo, storage }, { ...noWait, readData }, () => 0, signal);
        assert.ok(report.affected.length > 0);
        assert.ok(report.damages.some(({ message }) => message.includes(id)) || readData === "all");
        assert.equal(
          report.damages.some(({ object }) => object === packName(id)),
          readData === "all",
        );
      }
    }
  }
});
