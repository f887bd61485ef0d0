import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { BackupError } from "../../domain/error.ts";
import { MemoryStorage } from "../../storage/memory-storage.ts";
import type { Storage } from "../../storage/storage.ts";
import { hostileChange, storeDocuments } from "../../testing/hostile-documents.ts";
import { fc } from "../../testing/properties.ts";
import { openTestRepositoryVault } from "../../testing/repository-vault-places.ts";
import { openTestRepository } from "../../testing/test-repository.ts";
import { noWait, signal, TestMachine, verifyOptions } from "../../testing/vault-probe.ts";
import type { Vault } from "../vault.ts";

/** What each operation may fail with: clear words, never an error of the language or one of our bugs. */
async function endsClearly(what: string, work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    assert.ok(error instanceof BackupError, `${what}: ${error instanceof Error ? error.stack : error}`);
    assert.notEqual(error.kind, "bug", `${what}: ${error.stack}`);
    return false;
  }
}

async function drain(bytes: AsyncIterable<Uint8Array> | undefined): Promise<void> {
  if (bytes !== undefined) for await (const _ of bytes) signal.throwIfAborted();
}

async function readAll(vault: Vault, id: string): Promise<void> {
  await using reader = await vault.open(id, signal);
  for await (const entry of reader.entries(signal)) assert.ok(!entry.path.includes(".."), entry.path);
  for await (const { content } of reader.contents(() => true, signal)) await drain(content);
  for (const { name } of reader.backup.databases) await drain(reader.readDatabase(name, signal));
}

/** Everything that reads a repository, and what rewrites one. Returns what was refused. */
async function tryEverything(storage: Storage, folder: string): Promise<readonly string[]> {
  const vault = await openTestRepositoryVault(storage, new TestMachine().process(1), false);
  const { maintenance } = vault;
  assert.ok(maintenance !== undefined);
  const refused: string[] = [];
  const attempt = async (what: string, work: () => Promise<unknown>): Promise<void> => {
    if (!(await endsClearly(what, work))) refused.push(what);
  };
  let ids: readonly string[] = [];
  await attempt("list", async () => {
    ids = (await vault.list(signal)).map(({ id }) => id);
  });
  for (const id of ids) {
    await attempt("read", () => readAll(vault, id));
    for (const depth of ["stored", "content"] as const) {
      await attempt("verify", () => vault.verify(id, verifyOptions(folder, { depth }), signal));
    }
  }
  const check = () => maintenance.check({ ...noWait, readData: "all" }, signal);
  await attempt("check", check);
  const prune = { ...noWait, maxUnusedPercent: 0, dryRun: false, confirm: async () => true };
  await attempt("prune", () => maintenance.prune(prune, signal));
  await attempt("repair index", () => maintenance.repairIndex(noWait, signal));
  await attempt("repair backups", () =>
    maintenance.repairBackups({ ...noWait, confirm: async () => true, dryRun: false }, signal),
  );
  await attempt("check again", check);
  return refused;
}

async function withFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "vertex-hostile-"));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

test("documents that somebody with the key made hostile end in clear errors, whatever reads them", async () => {
  let refused = 0;
  await withFolder((folder) =>
    fc.assert(
      fc.asyncProperty(fc.array(hostileChange, { minLength: 1, maxLength: 3 }), async (changes) => {
        const storage = new MemoryStorage();
        await storeDocuments(await openTestRepository(storage), changes);
        refused += (await tryEverything(storage, folder)).length;
      }),
      { numRuns: 40 },
    ),
  );
  assert.ok(refused > 0, "some of it was refused");
});

test("the honest backup that the hostile ones are made of reads whole", async () => {
  await withFolder(async (folder) => {
    const storage = new MemoryStorage();
    await storeDocuments(await openTestRepository(storage), []);
    const vault = await openTestRepositoryVault(storage, new TestMachine().process(1), false);
    const report = await vault.maintenance?.check({ ...noWait, readData: "all" }, signal);
    assert.deepEqual(report?.damages, []);
    assert.deepEqual(await tryEverything(storage, folder), []);
  });
});
