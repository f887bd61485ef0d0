import assert from "node:assert/strict";
import { linkSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import "../../testing/kept-captures.ts";
import { createBackupManager } from "../../app/create-backup-manager.ts";
import { byteStringFromText, byteStringToDisplay } from "../../domain/byte-string.ts";
import { systemClock } from "../../domain/clock.ts";
import { silentObserver } from "../../domain/progress.ts";
import { planRetention } from "../../domain/retention.ts";
import type { ThisMachine } from "../../domain/run-owner.ts";
import { copiedFromField } from "../../format/restic/copied-from.ts";
import type { ObjectId, TreeNode } from "../../format/restic/model.ts";
import { encodeSnapshot } from "../../format/restic/snapshot.ts";
import { encodeTree } from "../../format/restic/tree.ts";
import { openLocalStorage } from "../../storage/local-storage.ts";
import { MemoryStorage } from "../../storage/memory-storage.ts";
import type { Storage } from "../../storage/storage.ts";
import { withBadSector } from "../../testing/bad-sector.ts";
import { createBrowseScene } from "../../testing/browse-scene.ts";
import { everyFew, fewOf } from "../../testing/every-few.ts";
import { sweepFaults } from "../../testing/sweep-faults.ts";
import { openArchiveVault } from "../../vault/archive/archive-vault.ts";
import { checkRepository } from "../../vault/repository/maintenance/check/check-repository.ts";
import "../../testing/cheap-scrypt.ts";
import { openTestRepositoryVault } from "../../testing/repository-vault-places.ts";
import { passOn } from "../../testing/sabotaged-storage.ts";
import { objectsOf, restoreAll, storageOf, storeSample } from "../../testing/sample-repository.ts";
import { openTestRepository } from "../../testing/test-repository.ts";
import { noonMs, noWait, signal, TestMachine } from "../../testing/vault-probe.ts";
import { loadIndex } from "../../vault/repository/load-index.ts";
import { loadSnapshots } from "../../vault/repository/maintenance/load-snapshots.ts";
import { PackWriter } from "../../vault/repository/maintenance/pack-writer.ts";
import { saveIndexFiles } from "../../vault/repository/maintenance/prune/rewrite-index.ts";
import { loadTree } from "../../vault/repository/maintenance/walk-trees.ts";
import { packName, saveObject } from "../../vault/repository/objects.ts";
import { openRepository } from "../../vault/repository/open-repository.ts";
import { BlobFetcher } from "../../vault/repository/read/blob-fetch.ts";
import { BlobThreads } from "../../vault/repository/read/blob-threads.ts";
import type { Repository } from "../../vault/repository/repository.ts";
import type { Vault } from "../../vault/vault.ts";
import type { OperationContext } from "../context.ts";
import { copyBackups } from "./copy-backups.ts";
import type { CopyResult } from "./copy-requests.ts";

const machines = new TestMachine();
const machine = machines.process(1);

/** Only what a copy looks at. */
function contextOf(vault: Vault): OperationContext {
  const own = { vault, scratchDirectory: "/nowhere", machine, clock: systemClock, lockWaitMs: 0 };
  return own as Partial<OperationContext> as OperationContext;
}

async function copy(source: Storage, target: Storage, by: ThisMachine = machine): Promise<CopyResult> {
  const elsewhere = { ...passOn(source), location: "elsewhere" };
  const from = contextOf(await openTestRepositoryVault(elsewhere, machine));
  const to = contextOf(await openTestRepositoryVault(target, by));
  return await copyBackups(from, to, { signal, observer: silentObserver });
}

/** What only another program stores: attributes we do not know, a pipe, a device. */
const odd: readonly TreeNode[] = (() => {
  const common = {
    ...{ mode: 0o640, mtimeNs: 1_600_000_000_000_000_001n, atimeNs: 5n, ctimeNs: 7n, uid: 3, gid: 4 },
    ...{ user: "web", group: "www", inode: 9n, deviceId: 17n, links: 2, sizeBytes: 0 },
  };
  const attributes = new Map([["extended_attributes", '[{"name":"user.note","value":"aGVsbG8="}]']]);
  const device = new Map([["device", "1281"]]);
  const node = (name: string, rest: Partial<TreeNode> & Pick<TreeNode, "type">): TreeNode => ({
    ...common,
    ...rest,
    name: byteStringFromText(name),
  });
  return [
    node("dev", { type: "chardev", others: device }),
    node("noted", { type: "file", content: [], others: attributes }),
    node("pipe", { type: "fifo" }),
  ];
})();

async function storeOdd(repo: Repository): Promise<ObjectId> {
  const writer = new PackWriter(repo, signal);
  const bytes = encodeTree(odd);
  const { hash } = await import("node:crypto");
  const tree = hash("sha256", bytes, "hex");
  await writer.add(tree, "tree", bytes);
  await saveIndexFiles(repo, await writer.finish(), () => Promise.resolve(), signal);
  const document = encodeSnapshot({
    ...{
      time: new Date(noonMs + 90_000).toISOString(),
      timeMs: noonMs + 90_000,
      tree,
      parent: "ab".repeat(32),
    },
    ...{
      paths: ["/"],
      hostname: "web9",
      username: "ann",
      uid: 5,
      gid: 6,
      excludes: ["*.tmp"],
      tags: ["nightly"],
    },
    programVersion: "restic 0.17.3",
    others: new Map([["of_tomorrow", '{"a":1}']]),
  });
  return await saveObject(repo, "snapshots", document, signal);
}

/** A repository with two snapshots of one history, and an odd one between them. */
async function makeForeign(): Promise<{ readonly storage: Storage; readonly repo: Repository }> {
  const storage = new MemoryStorage();
  const repo = await openTestRepository(storage);
  await storeSample(repo, { "/srv/a": ["a ", "shared "], "/srv/d/b": ["b "] });
  await storeOdd(repo);
  await storeSample(repo, { "/srv/a": ["a ", "shared "], "/srv/c": ["shared "] }, 5);
  return { storage, repo };
}

test("copyBackups() between repositories keeps another program's snapshots as they are, and that program's", async () => {
  const { storage, repo } = await makeForeign();
  const target = new MemoryStorage();
  const { outcomes, bytesCopied } = await copy(storage, target);
  assert.deepEqual(
    outcomes.map(({ outcome }) => outcome),
    ["copied", "copied", "copied"],
  );
  assert.ok(bytesCopied > 0);
  const there = await openTestRepository(target);
  const [before, after] = await Promise.all([loadSnapshots(repo, signal), loadSnapshots(there, signal)]);
  assert.deepEqual(
    after.snapshots.map(({ document }) => document),
    before.snapshots.map(({ id, document: { parent: _, ...kept } }) => {
      const origin: [string, string] = [copiedFromField, JSON.stringify({ id, vault: "elsewhere" })];
      return { ...kept, original: id, others: new Map([...(kept.others ?? []), origin]) };
    }),
  );
  const vault = await openTestRepositoryVault(target, machine);
  const report = await vault.maintenance?.check({ ...noWait, readData: "all" }, signal);
  assert.deepEqual([report?.damages, report?.notes], [[], []]);
  const [sourceFiles, copiedFiles] = await Promise.all([restoreAll(repo), restoreAll(there)]);
  assert.deepEqual([...copiedFiles.values()], [...sourceFiles.values()]);
  const listed = await vault.list(signal);
  assert.deepEqual(
    listed.map(({ id, neverRemoved, source }) => ({ id, neverRemoved, source })),
    before.snapshots.map(({ id }) => ({ id, neverRemoved: true, source: "restic" })),
  );
  const { decisions } = planRetention(listed, { last: 1 }, noonMs);
  assert.ok(decisions.every(({ keep }) => keep));
  const again = await copy(storage, target);
  assert.ok(again.outcomes.every(({ outcome }) => outcome === "there"));
  const back = await copy(target, storage);
  assert.ok(
    back.outcomes.every(({ outcome }) => outcome === "there"),
    "also the other way round",
  );
});

test("copyBackups() leaves nothing of another program's snapshot of which a blob cannot be read", async () => {
  const { storage, repo } = await makeForeign();
  const { index } = await loadIndex(repo, signal);
  const { hash } = await import("node:crypto");
  const { pack, offset } = index.find(hash("sha256", "b ", "hex"), "data") ?? assert.fail();
  const target = new MemoryStorage();
  const broken = withBadSector(storage, { name: packName(pack), at: offset + 20 });
  const { outcomes } = await copy(broken, target);
  assert.deepEqual(
    outcomes.map(({ outcome }) => outcome),
    ["failed", "copied", "copied"],
  );
  const { snapshots } = await loadSnapshots(await openTestRepository(target), signal);
  assert.equal(snapshots.length, 2);
  assert.ok((await copy(storage, target)).outcomes.every(({ outcome }) => outcome !== "failed"));
});

test("copyBackups() replaces another program's snapshot that is damaged in the target once, under an id of its own", async () => {
  const { storage, repo } = await makeForeign();
  const target = new MemoryStorage();
  await copy(storage, target);
  const vault = await openTestRepositoryVault(target, machine);
  const { id: victim } = (await loadSnapshots(repo, signal)).snapshots[0] ?? assert.fail();
  const damage = async (backupId: string): Promise<void> => {
    const at = new Date(noonMs).toISOString();
    await vault.records.add({ kind: "damaged", backupId, at, host: "web9", message: "a bad disk" }, signal);
  };
  await damage(victim);
  const { outcomes } = await copy(storage, target);
  const made = outcomes.flatMap((one) => (one.outcome === "copied" ? [one.copy?.id ?? ""] : []));
  assert.equal(made.length, 1);
  const states = async (): Promise<ReadonlyMap<string, string>> =>
    new Map((await vault.list(signal)).map(({ id, state }) => [id, state]));
  const after = await states();
  assert.deepEqual(
    [after.size, after.get(victim), after.get(made[0] ?? "")],
    [4, "damaged", "good"],
    "the new one is not taken for the damaged one",
  );
  assert.ok((await copy(storage, target)).outcomes.every(({ outcome }) => outcome === "there"));
  await damage(made[0] ?? "");
  assert.ok((await copy(storage, target)).outcomes.every(({ outcome }) => outcome === "there"));
  assert.equal((await states()).size, 4);
});

test("copyBackups() knows its copies of another program's snapshots also where their folders cannot be read", async () => {
  const { storage } = await makeForeign();
  const target = new MemoryStorage();
  await copy(storage, target);
  for (const { name, sizeBytes } of await Array.fromAsync(target.list("data/", signal))) {
    await target.remove([name], signal);
    await target.put(name, Buffer.alloc(sizeBytes), signal);
  }
  assert.ok((await copy(storage, target)).outcomes.every(({ outcome }) => outcome === "there"));
});

/** Runs `work` once, when the first object of a folder has been stored. */
function afterFirst(prefix: string, inner: Storage, work: () => Promise<void>): Storage {
  let isFirst = true;
  const put: Storage["put"] = async (name, content, either) => {
    await inner.put(name, content, either);
    if (!name.startsWith(prefix) || !isFirst) return;
    isFirst = false;
    await work();
  };
  return { ...passOn(inner), put };
}

test("copyBackups() leaves one copy of each where another run copies at the same time", async () => {
  const { storage } = await makeForeign();
  // The other run copies all while this one stores its first, or has just stored it.
  for (const [prefix, first] of [
    ["data/", "there"],
    ["snapshots/", "copied"],
  ] as const) {
    const target = new MemoryStorage();
    await openTestRepository(target);
    let ofOther: CopyResult | undefined;
    const shared = afterFirst(prefix, target, async () => {
      ofOther = await copy(storage, target, machines.process(2));
    });
    const { outcomes } = await copy(storage, shared);
    assert.deepEqual(
      outcomes.map(({ outcome }) => outcome),
      [first, "there", "there"],
    );
    assert.equal(ofOther?.outcomes.filter(({ outcome }) => outcome === "failed").length, 0);
    const there = await loadSnapshots(await openTestRepository(target), signal);
    assert.equal(there.snapshots.length, 3);
  }
});

test("copyBackups() leaves one copy of a backup of ours where another run copies it at the same time", async () => {
  await using scene = createBrowseScene();
  const { directory, vault } = scene.app;
  await scene.manager.createBackup();
  const from = async (): Promise<OperationContext> => {
    const storage = await openLocalStorage(vault, { create: false, machine });
    const options = { storage, machine, clock: systemClock, toolVersion: "0", create: false };
    return contextOf(await openArchiveVault(options, signal));
  };
  const target = new MemoryStorage();
  await openTestRepository(target);
  const run = async (into: Storage, by: ThisMachine): Promise<readonly string[]> => {
    const to = { ...contextOf(await openTestRepositoryVault(into, by)), scratchDirectory: directory };
    const { outcomes } = await copyBackups(await from(), to, { signal, observer: silentObserver });
    return outcomes.map(({ outcome }) => outcome);
  };
  const ofOther: string[] = [];
  const shared = afterFirst("locks/", target, async () => {
    ofOther.push(...(await run(target, machines.process(2))));
  });
  assert.deepEqual([await run(shared, machine), ofOther], [["there"], ["copied"]]);
  const there = await loadSnapshots(await openTestRepository(target), signal);
  assert.equal(there.snapshots.length, 1);
});

/** Interruptions of which the unit tests try one. */
const few = 17;

test("copyBackups() of another program's snapshots, cut short here and there, leaves whole ones and goes on", async () => {
  const { storage: source, repo } = await makeForeign();
  const wanted = await restoreAll(repo);
  const empty = new MemoryStorage();
  await openTestRepository(empty);
  const objects = await objectsOf(empty);
  let victim = 666;
  const { tried } = await sweepFaults({
    every: everyFew(few),
    spare: 2,
    open: () => storageOf(objects),
    scenario: async (storage) => {
      const { outcomes } = await copy(source, storage, machines.process(++victim));
      for (const outcome of outcomes) if (outcome.outcome === "failed") throw outcome.error;
    },
    check: async ({ storage }) => {
      machines.kill(victim);
      const target = await openTestRepository(storage, { machine: machines.process(1) });
      const ids = new Map(
        (await loadSnapshots(target, signal)).snapshots.map(({ id, document }) => [id, document]),
      );
      for (const [id, files] of await restoreAll(target)) {
        assert.deepEqual(files, wanted.get(ids.get(id)?.original ?? ""), id);
      }
      const { outcomes } = await copy(source, storage);
      assert.equal(outcomes.filter(({ outcome }) => outcome === "there").length, ids.size);
      assert.equal((await loadSnapshots(target, signal)).snapshots.length, 3);
      const report = await checkRepository(target, { ...noWait, readData: "all" }, () => 0, signal);
      assert.deepEqual(report.damages, []);
    },
  });
  assert.ok(tried > fewOf(60, few), `${tried} interruptions were tried`);
});

/** All nodes of the newest backup of a vault, without what depends on how a vault cuts content. */
async function nodesOf(directory: string, password: string): Promise<Record<string, unknown>> {
  const storage = await openLocalStorage(directory, { create: false, machine });
  const options = { storage, password, machine, clock: systemClock, toolVersion: "0" };
  const repo = await openRepository(options, signal);
  const { snapshots } = await loadSnapshots(repo, signal);
  const { index } = await loadIndex(repo, signal);
  await using threads = new BlobThreads(repo.key);
  const source = { index, fetcher: new BlobFetcher(repo, index, threads) };
  const found: Record<string, unknown> = {};
  const walk = async (tree: ObjectId, path: string): Promise<void> => {
    const nodes = await loadTree(source, tree, signal);
    assert.ok(typeof nodes !== "string", String(nodes));
    for (const { content: _content, subtree, ...node } of nodes) {
      const at = `${path}/${byteStringToDisplay(node.name)}`;
      found[at] = node;
      if (subtree !== undefined) await walk(subtree, at);
    }
  };
  await walk(snapshots[0]?.document.tree ?? assert.fail(), "");
  return found;
}

test("copyBackups() between repositories keeps times of change, devices and numbers of names of our backups", async () => {
  await using scene = createBrowseScene();
  const { app } = scene;
  const { directory, uploads } = app;
  // Two folders that share a file: neither sees the other's name of it.
  mkdirSync(join(directory, "media"));
  linkSync(join(uploads, "same.txt"), join(directory, "media/same.txt"));
  const [source] = app.configuration.sources ?? [];
  const sources = [{ ...source!, storage: [...(source?.storage ?? []), join(directory, "media")] }];
  const open = (name: string) =>
    createBackupManager({
      ...app.configuration,
      ...{ sources, vault: join(directory, name), format: "repository", password: "geheim" },
    });
  await using one = open("one");
  await using two = open("two");
  await one.backupStorage();
  await one.copyBackups(two);
  const [here, there] = [
    await nodesOf(join(directory, "one"), "geheim"),
    await nodesOf(join(directory, "two"), "geheim"),
  ];
  const isInside = (path: string): boolean =>
    path.startsWith(uploads) || path.startsWith(`${directory}/media`);
  const inside = Object.keys(here).filter(isInside);
  assert.ok(inside.length > 10);
  for (const path of inside) assert.deepEqual(there[path], here[path], path);
  const { links, ctimeNs } = there[join(directory, "media/same.txt")] as TreeNode;
  assert.equal(links, 3);
  assert.ok(ctimeNs > 0n);
});
