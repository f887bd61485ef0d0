import assert from "node:assert/strict";
import { test } from "node:test";
import type { Backup } from "../../domain/backup.ts";
import { copiedFromField } from "../../format/restic/copied-from.ts";
import { manifestField, manifestFileName, ownFolderName } from "../../format/restic/manifest.ts";
import type { SnapshotDocument } from "../../format/restic/model.ts";
import { encodeSnapshot } from "../../format/restic/snapshot.ts";
import { MemoryStorage } from "../../storage/memory-storage.ts";
import { openMemoryRepositoryPlace } from "../../testing/repository-vault-places.ts";
import { storeSample } from "../../testing/sample-repository.ts";
import { openTestRepository } from "../../testing/test-repository.ts";
import { backUp, noonMs, signal, TestMachine } from "../../testing/vault-probe.ts";
import { openBackupReader } from "./backup-reader.ts";
import { foreignRoots } from "./describe-backup.ts";
import { listBackups } from "./list-backups.ts";
import { loadSnapshots, replacesField } from "./maintenance/load-snapshots.ts";
import { removeObjects, saveObject } from "./objects.ts";
import type { Repository } from "./repository.ts";

interface Scene extends AsyncDisposable {
  readonly repo: Repository;
  /** A backup of ours, as the vault gave it. */
  readonly ours: Backup;
  /** Writes its snapshot again as another program would, and returns the new file's id. */
  rewrite(changes: Partial<SnapshotDocument>, keep?: boolean): Promise<string>;
}

async function openScene(): Promise<Scene> {
  const storage = new MemoryStorage();
  const place = await openMemoryRepositoryPlace(storage);
  const vault = await place.open(new TestMachine().process(1));
  const { backup: ours } = await backUp(vault, place.folder, { tags: ["nightly"] });
  const repo = await openTestRepository(storage);
  return {
    repo,
    ours,
    async rewrite(changes, keep = false) {
      const { snapshots } = await loadSnapshots(repo, signal);
      const found = snapshots.find(({ id }) => id === ours.id);
      assert.ok(found !== undefined);
      const id = await saveObject(
        repo,
        "snapshots",
        encodeSnapshot({ ...found.document, ...changes }),
        signal,
      );
      if (!keep) await removeObjects(repo, "snapshots", [found.id], signal);
      return id;
    },
    [Symbol.asyncDispose]: () => place[Symbol.asyncDispose](),
  };
}

test("listBackups() says of ours what its manifest says, and of restic's what its snapshot says", async () => {
  await using scene = await openScene();
  const foreign = await storeSample(scene.repo, { "/srv/a": ["a"] }, 5);
  const [newest, oldest, ...others] = await listBackups(scene.repo, signal);
  assert.deepEqual(others, []);
  assert.deepEqual(oldest, scene.ours);
  assert.equal(newest?.id, foreign);
  assert.equal(newest.startedAtMs, noonMs + 5 * 60_000);
  assert.deepEqual(newest.roots, [{ name: "srv", path: "/srv" }]);
  assert.deepEqual(
    { source: newest.source, host: newest.host, state: newest.state, never: newest.neverRemoved },
    { source: "restic", host: "probe", state: "good", never: true },
  );
});

test("a backup that restic rewrote keeps its id, and its manifest is read from the tree", async () => {
  await using scene = await openScene();
  const { ours, repo } = scene;
  const others = new Map<string, string>();
  const rewritten = await scene.rewrite({
    original: ours.id,
    others,
    tags: [],
    programVersion: "restic 0.18",
  });
  // People who turn to restic with it need the id that restic knows.
  const now = { ...ours, tags: [], snapshotId: rewritten };
  assert.deepEqual(await listBackups(repo, signal), [now]);
  await using reader = await openBackupReader(repo, ours.id, signal);
  assert.deepEqual(reader.backup, now);
  await assert.rejects(openBackupReader(repo, rewritten, signal), /no such backup/);
});

test("a backup has the tags that restic gave it, and not those it took away", async () => {
  await using scene = await openScene();
  const own = ["vertex-backup", "type:full", `source:${scene.ours.source}`];
  const tagged = { original: scene.ours.id, others: new Map<string, string>() };
  await scene.rewrite({ ...tagged, tags: [...own, "checked", "vertex-backup"] });
  const [backup] = await listBackups(scene.repo, signal);
  assert.deepEqual([backup?.id, backup?.tags], [scene.ours.id, ["checked", "vertex-backup"]]);
});

test("a backup of which another program has left something out is incomplete, and no longer good (I5)", async () => {
  await using scene = await openScene();
  const { repo, ours } = scene;
  assert.equal(ours.state, "good");
  const { snapshots } = await loadSnapshots(repo, signal);
  const manifest = snapshots[0]?.document.others?.get(manifestField) ?? "";
  const file = { [`/${ownFolderName}/${manifestFileName}`]: [manifest] };
  for (const left of [{}, { "/srv/files/other": ["x"] }]) {
    const sample = await storeSample(repo, { ...file, ...left });
    const tree = (await loadSnapshots(repo, signal)).snapshots.find(({ id }) => id === sample)?.document.tree;
    await removeObjects(repo, "snapshots", [sample], signal);
    const changes = { tree: tree ?? "", original: ours.id, others: new Map<string, string>() };
    const rewritten = await scene.rewrite(changes, true);
    const backup = (await listBackups(repo, signal)).find(({ snapshotId, id }) =>
      [snapshotId, id].includes(rewritten),
    );
    assert.equal(backup?.state, "incomplete");
    assert.match(backup.stateReason, /another program/);
    await removeObjects(repo, "snapshots", [rewritten], signal);
  }
});

test("a copy of another program's snapshot stays that program's, also where a manifest of ours is among its files", async () => {
  await using scene = await openScene();
  const { repo } = scene;
  const { snapshots } = await loadSnapshots(repo, signal);
  const manifest = snapshots[0]?.document.others?.get(manifestField) ?? "";
  const id = await storeSample(repo, { [`/${ownFolderName}/${manifestFileName}`]: [manifest] }, 5);
  const found = (await loadSnapshots(repo, signal)).snapshots.find((snapshot) => snapshot.id === id);
  const { document } = found ?? assert.fail();
  const others = new Map([[replacesField, JSON.stringify("ab".repeat(32))]]);
  const repaired = await saveObject(repo, "snapshots", encodeSnapshot({ ...document, others }), signal);
  const before = (await listBackups(repo, signal)).find((backup) => backup.id === repaired);
  await using reader = await openBackupReader(repo, repaired, signal);
  const copied = reader.foreign?.document ?? "";
  await removeObjects(repo, "snapshots", [id, repaired], signal);
  const copy = await saveObject(repo, "snapshots", Buffer.from(copied, "latin1"), signal);
  const { copiedFrom, ...rest } = (await listBackups(repo, signal))[0] ?? assert.fail();
  assert.deepEqual(rest, { ...before, snapshotId: copy });
  assert.deepEqual(copiedFrom, { id: repaired, vault: repo.storage.location });
  const stored = (await loadSnapshots(repo, signal)).snapshots.find((snapshot) => snapshot.id === copy);
  assert.deepEqual([...(stored?.document.others?.keys() ?? [])], [copiedFromField]);
});

test("a backup that was rewritten and is still there is there twice, each under an id of its own", async () => {
  await using scene = await openScene();
  const { ours, repo } = scene;
  const rewritten = await scene.rewrite({ original: ours.id, others: new Map() }, true);
  const ids = (await listBackups(repo, signal)).map(({ id }) => id);
  assert.deepEqual(ids.toSorted(), [ours.id, rewritten].toSorted());
});

test("a manifest of a newer version, or one that makes no sense, makes a damaged backup that can still be read", async () => {
  for (const [manifest, reason] of [
    ['{"format_version":99}', /format 99, which a newer version/],
    ['{"format_version":1}', /cannot be read/],
  ] as const) {
    await using scene = await openScene();
    const id = await scene.rewrite({ others: new Map([[manifestField, manifest]]) });
    const [backup] = await listBackups(scene.repo, signal);
    assert.equal(backup?.state, "damaged");
    assert.match(backup.stateReason, reason);
    assert.equal(backup.neverRemoved, true);
    await using reader = await openBackupReader(scene.repo, id, signal);
    const paths = (await Array.fromAsync(reader.entries(signal))).map(({ path }) => path);
    assert.ok(paths.some((path) => path.endsWith("sub/changing.bin")));
  }
});

test("a snapshot whose bytes are damaged is listed as damaged, beside the others", async () => {
  await using scene = await openScene();
  const { storage } = scene.repo;
  const id = "cd".repeat(32);
  await storage.put(`snapshots/${id}`, Buffer.from("no snapshot"), signal);
  const damaged = (await listBackups(scene.repo, signal)).find((backup) => backup.id === id);
  assert.equal(damaged?.state, "damaged");
  assert.equal(damaged.neverRemoved, true);
});

test("foreignRoots() names folders by their last component, outermost only, and each by a name of its own", () => {
  const paths = ["/srv/app", "/srv/app/uploads", "/home/app", "/", "relative", "C:\\Users"];
  assert.deepEqual(foreignRoots(paths), [{ name: "root", path: "/" }]);
  assert.deepEqual(foreignRoots(paths.filter((path) => path !== "/")), [
    { name: "app", path: "/home/app" },
    { name: "app-2", path: "/srv/app" },
  ]);
});
