import assert from "node:assert/strict";
import { mkdirSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { systemClock } from "../../domain/clock.ts";
import { isBackupError } from "../../domain/error.ts";
import { MemoryStorage } from "../../storage/memory-storage.ts";
import { openTemporaryLocalStorage } from "../../testing/local-vault-folder.ts";
import { storeSample } from "../../testing/sample-repository.ts";
import { openTestRepository, testPassword } from "../../testing/test-repository.ts";
import { beginOptions, noWait, signal, TestMachine } from "../../testing/vault-probe.ts";
import { foldersFlaw, requirePacks } from "./data-folders.ts";
import { RepositoryKeyRing } from "./key-ring.ts";
import { loadIndex } from "./load-index.ts";
import { checkRepository } from "./maintenance/check/check-repository.ts";
import { repositoryMaintenance } from "./maintenance/repository-maintenance.ts";
import { listObjects, packName, putDocument, sealDocument } from "./objects.ts";
import { openRepositoryVault } from "./repository-vault.ts";

test("foldersFlaw() finds nothing in a new repository, with a backup, and where a storage has no folders", async () => {
  await using storage = await openTemporaryLocalStorage();
  const repo = await openTestRepository(storage);
  assert.equal(await foldersFlaw(storage, signal), "", "the first backup makes both folders");
  await storeSample(repo, { "/a": ["a"] });
  assert.equal(await foldersFlaw(storage, signal), "");
  const memory = new MemoryStorage();
  await storeSample(await openTestRepository(memory), { "/a": ["a"] });
  assert.equal(await foldersFlaw(memory, signal), "");
});

test("foldersFlaw() names a folder that is gone, or that is a link, and says what mends it", async () => {
  await using storage = await openTemporaryLocalStorage();
  await storeSample(await openTestRepository(storage), { "/a": ["a"] });
  for (const [name, remedy] of [
    ["index", /The folder index of the repository .* is gone.*repair index/],
    ["data", /The folder data of the repository .* is gone.*copy of the repository/],
  ] as const) {
    const path = join(storage.location, name);
    renameSync(path, `${path}-away`);
    assert.match(await foldersFlaw(storage, signal), remedy);
    symlinkSync(`${path}-away`, path);
    assert.match(
      await foldersFlaw(storage, signal),
      new RegExp(`folder ${name} of .* is a symbolic link.*Mount`),
    );
    rmSync(path);
    renameSync(`${path}-away`, path);
  }
});

for (const loss of ["gone", "empty"]) {
  test(`a backup is refused where the index lists packs and the folder data is ${loss}: it would lack what it shares with others`, async () => {
    const storage = await openTemporaryLocalStorage();
    const repo = await openTestRepository(storage);
    const machine = new TestMachine().process(1);
    const place = { storage, machine, clock: systemClock, toolVersion: "0.0.0-test", create: false };
    await using vault = await openRepositoryVault({ ...place, password: async () => testPassword }, signal);
    await requirePacks(storage, (await loadIndex(repo, signal)).index, signal);
    await storeSample(repo, { "/a": ["a"] });
    await requirePacks(storage, (await loadIndex(repo, signal)).index, signal);
    const data = join(storage.location, "data");
    rmSync(data, { recursive: true });
    if (loss === "empty") mkdirSync(data);
    const state = loss === "empty" ? /folder data .* holds nothing/ : /folder data .* is gone/;
    assert.match(await foldersFlaw(storage, signal), state);
    const isTold = (error: unknown): boolean =>
      isBackupError(error, "damaged") && /repair index/.test(error.hint ?? "");
    await assert.rejects(vault.begin(beginOptions(), signal), isTold);
    // With its index the repository forgets what was there, and everything is stored again.
    rmSync(join(storage.location, "index"), { recursive: true });
    await (await vault.begin(beginOptions(), signal)).abort();
  });
}

test("requirePacks() lets an index pass that names no pack, as restic leaves one when it has pruned them all", async () => {
  await using storage = await openTemporaryLocalStorage();
  const repo = await openTestRepository(storage);
  await putDocument(repo, "index", sealDocument(repo, Buffer.from('{"packs":[]}')), signal);
  const { index, files } = await loadIndex(repo, signal);
  assert.equal(files.length, 1);
  await requirePacks(storage, index, signal);
});

test("packs behind a link are neither missing nor unknown: what counts packs refuses, and names the link", async () => {
  await using storage = await openTemporaryLocalStorage();
  const repo = await openTestRepository(storage);
  await storeSample(repo, { "/a": ["a"] });
  const [{ id } = { id: "" }] = await listObjects(repo, "data", signal);
  const maintenance = repositoryMaintenance(repo, new RepositoryKeyRing(repo));
  const confirm = (): Promise<boolean> => Promise.resolve(true);
  for (const name of [packName(id), `data/${id.slice(0, 2)}`, "data"]) {
    const path = join(storage.location, name);
    const away = join(storage.location, "away");
    renameSync(path, away);
    symlinkSync(away, path);
    const isTold = (error: unknown): boolean =>
      isBackupError(error, "unsafe", "damaged") && /symbolic link/.test(error.message);
    const check = { ...noWait, readData: "none" } as const;
    await assert.rejects(
      checkRepository(repo, check, () => 0, signal),
      isTold,
      `check with ${name}`,
    );
    await assert.rejects(maintenance.repairIndex(noWait, signal), isTold, `repair index with ${name}`);
    const prune = { ...noWait, maxUnusedPercent: 0, dryRun: false, confirm };
    await assert.rejects(maintenance.prune(prune, signal), isTold, `prune with ${name}`);
    rmSync(path);
    renameSync(away, path);
  }
  assert.equal((await checkRepository(repo, { ...noWait, readData: "none" }, () => 0, signal)).ok, true);
});
