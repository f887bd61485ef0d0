import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { test } from "node:test";
import { isBackupError } from "../../domain/error.ts";
import { MemoryStorage } from "../../storage/memory-storage.ts";
import { everyFew } from "../../testing/every-few.ts";
import { type BlobLies, RawRepository, rawNode, rawSnapshot } from "../../testing/hostile-repository.ts";
import { openTestRepositoryVault } from "../../testing/repository-vault-places.ts";
import { openTestRepository } from "../../testing/test-repository.ts";
import { noWait, signal, TestMachine, verifyOptions } from "../../testing/vault-probe.ts";
import type { Maintenance } from "../maintenance.ts";
import type { Vault } from "../vault.ts";

const mebibyte = 1024 * 1024;

/** Above what was in use before: what any of these may take at most, whatever it is told to read. */
const memoryMiBMax = 300;

/** Stops what goes on for ever. Hit only where a bound is missing. */
const timeMsMax = 1_800_000;

const isWhole = everyFew(2) === 1;

/** Unpacks to that: half as much as may be taken, where memory is looked at. Unit tests see only that it is refused. */
const bombBytes = (isWhole ? 160 : 24) * mebibyte;

interface Scene {
  readonly vault: Vault;
  readonly maintenance: Maintenance;
  readonly id: string;
}

/** A vault with one backup, whose tree `build` makes. */
async function makeScene(build: (raw: RawRepository) => string): Promise<Scene> {
  const storage = new MemoryStorage();
  const raw = new RawRepository(await openTestRepository(storage));
  const tree = build(raw);
  await raw.store();
  const id = await raw.document("snapshots", rawSnapshot(tree, ["/"]));
  const vault = await openTestRepositoryVault(storage, new TestMachine().process(1), false);
  const { maintenance } = vault;
  assert.ok(maintenance !== undefined);
  return { vault, maintenance, id };
}

/** Runs within bounds of memory and time. */
async function bounded(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const before = process.memoryUsage().rss;
  let most = before;
  const timer = setInterval(() => {
    most = Math.max(most, process.memoryUsage().rss);
  }, 20);
  try {
    await work(AbortSignal.timeout(timeMsMax));
  } finally {
    clearInterval(timer);
  }
  const takenMiB = Math.round((most - before) / mebibyte);
  // What a small one takes depends on when garbage is collected.
  assert.ok(!isWhole || takenMiB < memoryMiBMax, `${takenMiB} MiB`);
}

const isDamaged = (error: unknown): boolean => isBackupError(error, "damaged");

/** Reads everything, as a restore does. Returns how many entries there were. */
async function readEverything({ vault, id }: Scene, within: AbortSignal): Promise<number> {
  await using reader = await vault.open(id, within);
  let entries = 0;
  for await (const { content } of reader.contents(() => true, within)) {
    entries++;
    if (content !== undefined) for await (const _ of content) within.throwIfAborted();
  }
  return entries;
}

const prune = { ...noWait, maxUnusedPercent: 0, dryRun: true, confirm: async () => true };

function oneFile(raw: RawRepository, plain: Uint8Array, lies: BlobLies): string {
  const id = raw.blob("data", plain, lies);
  return raw.tree({ nodes: [rawNode("a", "file", { size: 100, content: [id] })] });
}

test("blobs that are not as large as the index says are damaged, and unpack to no more", async () => {
  const zeros = Buffer.alloc(bombBytes);
  const lies: Readonly<Record<string, BlobLies>> = {
    "unpacks to more than it says": { uncompressedLength: 100 },
    "is said to unpack to 4 GB": { uncompressedLength: 2 ** 32 - 1 },
    "is said to be 4 GB long": { length: 2 ** 32 - 1 },
    "is said to lie at 4 GB": { offset: 2 ** 32 - 100 },
  };
  for (const [what, lie] of Object.entries(lies)) {
    const scene = await makeScene((raw) => oneFile(raw, zeros, lie));
    await bounded(async (within) => {
      await assert.rejects(readEverything(scene, within), isDamaged, what);
      const check = await scene.maintenance.check({ ...noWait, readData: "all" }, within);
      assert.ok(!check.ok, what);
      const report = await scene.vault.verify(scene.id, verifyOptions(tmpdir()), within);
      assert.ok(!report.ok, what);
    });
  }
});

test("a tree that unpacks to more than it says is damaged, also to a prune", async () => {
  const scene = await makeScene((raw) =>
    raw.blob("tree", Buffer.alloc(bombBytes, " "), { uncompressedLength: 100 }),
  );
  await bounded(async (within) => {
    await assert.rejects(readEverything(scene, within), isDamaged);
    await assert.rejects(scene.maintenance.prune(prune, within), isDamaged);
    assert.ok(!(await scene.maintenance.check({ ...noWait, readData: "none" }, within)).ok);
  });
});

test("a snapshot that unpacks to gigabytes is damaged, and others are listed beside it", async () => {
  const scene = await makeScene((raw) => raw.tree({ nodes: [] }));
  const storage = new MemoryStorage();
  const repo = await openTestRepository(storage);
  const raw = new RawRepository(repo);
  await raw.document("snapshots", rawSnapshot(raw.tree({ nodes: [] }), ["/"]));
  await raw.document("snapshots", ["x".repeat(bombBytes)]);
  const vault = await openTestRepositoryVault(storage, new TestMachine().process(1), false);
  await bounded(async (within) => {
    const states = (await vault.list(within)).map(({ state }) => state);
    assert.deepEqual(new Set(states), new Set(["good", "damaged"]));
  });
  assert.equal((await scene.vault.list(signal)).length, 1);
});

test("few trees that hold more paths than can be visited are damaged; check and prune visit each once", async () => {
  const scene = await makeScene((raw) => {
    let tree = raw.tree({ nodes: [rawNode("file", "file", { content: [] })] });
    // A thousand million paths.
    for (let level = 0; level < 30; level++) {
      tree = raw.tree({ nodes: ["a", "b"].map((name) => rawNode(name, "dir", { subtree: tree })) });
    }
    return tree;
  });
  await bounded(async (within) => {
    await assert.rejects(readEverything(scene, within), isDamaged);
    const report = await scene.vault.verify(scene.id, verifyOptions(tmpdir()), within);
    assert.match(report.damages[0]?.message ?? "", /the same folders come again and again/);
    await scene.maintenance.check({ ...noWait, readData: "all" }, within);
    await scene.maintenance.prune(prune, within);
  });
});

test("few trees that hold a lost file at more paths than can be visited are checked and repaired all the same", async () => {
  const scene = await makeScene((raw) => {
    const lost = randomBytes(32).toString("hex");
    let tree = raw.tree({ nodes: [rawNode("file", "file", { size: 9, content: [lost] })] });
    // Unit tests see that each is repaired once, of the 16,384 paths to it.
    for (let level = 0; level < (isWhole ? 60 : 14); level++) {
      const names = Array.from({ length: isWhole ? 20 : 2 }, (_, i) => `d${i + 10}`);
      tree = raw.tree({ nodes: names.map((name) => rawNode(name, "dir", { subtree: tree })) });
    }
    return tree;
  });
  await bounded(async (within) => {
    const check = await scene.maintenance.check({ ...noWait, readData: "none" }, within);
    assert.deepEqual(check.affected, [scene.id]);
    const repaired = await scene.maintenance.repairBackups(
      { ...noWait, confirm: async () => true, dryRun: false },
      within,
    );
    assert.deepEqual(repaired.rewritten, [scene.id]);
  });
});

test("folders deeper than any path are damaged, also to check and repair", async () => {
  const scene = await makeScene((raw) => {
    let tree = raw.tree({ nodes: [rawNode("file", "file", { size: 1, content: ["ab".repeat(32)] })] });
    for (let level = 0; level < 2_100; level++) {
      tree = raw.tree({ nodes: [rawNode("d", "dir", { subtree: tree })] });
    }
    return tree;
  });
  await bounded(async (within) => {
    await assert.rejects(readEverything(scene, within), isDamaged);
    assert.ok(!(await scene.maintenance.check({ ...noWait, readData: "none" }, within)).ok);
    await scene.maintenance.repairBackups(
      { ...noWait, confirm: async () => true, dryRun: false, readData: false },
      within,
    );
  });
});

test("a file of hundreds of gigabytes made of one blob is verified by reading that once", async () => {
  const scene = await makeScene((raw) => {
    const blob = raw.blob("data", Buffer.alloc(8 * mebibyte));
    const content = Array.from({ length: 50_000 }, () => blob);
    return raw.tree({ nodes: [rawNode("huge", "file", { size: 50_000 * 8 * mebibyte, content })] });
  });
  await bounded(async (within) => {
    const report = await scene.vault.verify(scene.id, verifyOptions(tmpdir()), within);
    assert.deepEqual(report.damages, []);
    assert.ok((await scene.maintenance.check({ ...noWait, readData: "all" }, within)).ok);
  });
});
