import assert from "node:assert/strict";
import { existsSync, linkSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import type { Backup } from "../../domain/backup.ts";
import type { Entry } from "../../domain/entry.ts";
import { isBackupError } from "../../domain/error.ts";
import { silentObserver } from "../../domain/progress.ts";
import { MemoryStorage } from "../../storage/memory-storage.ts";
import { walkFolder } from "../../source/folder/walk-folder.ts";
import { openTestRepository } from "../../testing/test-repository.ts";
import { beginOptions, signal, summary } from "../../testing/vault-probe.ts";
import type { BackupWriter, BeginOptions } from "../vault.ts";
import { openBackupWriter } from "./backup-writer.ts";
import { loadIndex } from "./load-index.ts";
import { loadSnapshots } from "./maintenance/load-snapshots.ts";
import { acquireLock } from "./locks/acquire-lock.ts";
import { listLocks } from "./locks/list-locks.ts";
import { RepositoryReading } from "./read/open-snapshot.ts";
import { componentsOf, resolvePath } from "./read/resolve-path.ts";
import type { Repository } from "./repository.ts";

class Place implements AsyncDisposable {
  readonly folder: string = mkdtempSync(join(tmpdir(), "backup-writer-"));
  readonly source: string = join(this.folder, "files");
  readonly storage: MemoryStorage = new MemoryStorage();
  readonly repo: Promise<Repository> = openTestRepository(this.storage);

  constructor() {
    mkdirSync(join(this.source, "sub/deep"), { recursive: true });
    for (const name of ["a", "sub/b", "sub/deep/c"]) writeFileSync(join(this.source, name), name);
    linkSync(join(this.source, "a"), join(this.source, "sub/a-too"));
  }

  async begin(changes: Partial<BeginOptions> = {}): Promise<BackupWriter> {
    const repo = await this.repo;
    const roots = [{ name: "files", path: this.source }];
    const begun = beginOptions({ type: "storage", roots, ...changes });
    const lock = await acquireLock(repo, { ...begun, exclusive: false }, signal);
    return await openBackupWriter({ repo, lock, begun, ownerNames: undefined }, signal);
  }

  async walk(): Promise<readonly Entry[]> {
    const root = { name: "files", path: this.source };
    const options = {
      root,
      excludes: [],
      oneFileSystem: false,
      excludeCaches: false,
      skip: new Set<never>(),
    };
    return (await Array.fromAsync(walkFolder(options, () => undefined, signal))).flat();
  }

  async backUp(changes: Partial<BeginOptions> = {}): Promise<Backup> {
    const writer = await this.begin(changes);
    const entries = await this.walk();
    const settled = await writer.settle(entries, signal);
    const added = entries.map((entry, i) => ({ entry, settled: settled[i] ?? false }));
    await writer.add(added, signal);
    return await writer.finish(summary(), signal);
  }

  /** Id of the source folder's tree in a backup. */
  async treeOf(backup: Backup): Promise<string | undefined> {
    const repo = await this.repo;
    const found = (await loadSnapshots(repo, signal)).snapshots.find(({ id }) => id === backup.id);
    await using reading = new RepositoryReading(repo, (await loadIndex(repo, signal)).index);
    const path = componentsOf(this.source);
    return (await resolvePath(reading.trees, found?.document.tree ?? "", path, "", signal))?.subtree;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

test("settle() finds what is as it was, and the backup has the very tree of the one before", async () => {
  await using place = new Place();
  await setTimeout(20);
  const first = await place.backUp();
  const second = await place.backUp({ parent: first.id, startedAtMs: first.startedAtMs + 1_000 });
  assert.deepEqual([first.counts.unchangedFiles, second.counts.unchangedFiles], [0, 3]);
  assert.equal(second.storedBytes, 0);
  assert.equal(await place.treeOf(second), await place.treeOf(first));
  const anew = await place.backUp({ startedAtMs: first.startedAtMs + 2_000 });
  assert.equal(await place.treeOf(anew), await place.treeOf(first), "as if all had been read");
});

test("settle() sees a change of a single file, a new one and one that is gone", async () => {
  await using place = new Place();
  await setTimeout(20);
  const first = await place.backUp();
  writeFileSync(join(place.source, "sub/b"), "B");
  writeFileSync(join(place.source, "sub/new"), "new");
  rmSync(join(place.source, "sub/deep/c"));
  const second = await place.backUp({ parent: first.id, startedAtMs: first.startedAtMs + 1_000 });
  const anew = await place.backUp({ startedAtMs: first.startedAtMs + 2_000 });
  assert.equal(second.counts.unchangedFiles, 1);
  assert.notEqual(await place.treeOf(second), await place.treeOf(first));
  assert.equal(await place.treeOf(second), await place.treeOf(anew));
});

test("settle() trusts no parent whose blobs are not all in the index, nor one whose trees are damaged", async () => {
  await using place = new Place();
  await setTimeout(20);
  const first = await place.backUp();
  const repo = await place.repo;
  const { index } = await loadIndex(repo, signal);
  const packs = [...index.packs()];
  const warnings: string[] = [];
  const observer = { ...silentObserver, warning: (message: string) => void warnings.push(message) };
  for (const kind of ["tree", "data"] as const) {
    const lost = packs.filter(({ blobs }) => blobs.some(({ type }) => type === kind));
    await place.storage.remove(
      lost.map(({ id }) => `data/${id.slice(0, 2)}/${id}`),
      signal,
    );
    if (kind === "data") {
      const files = await Array.fromAsync(place.storage.list("index/", signal));
      await place.storage.remove(
        files.map(({ name }) => name),
        signal,
      );
    }
    const next = await place.backUp({ parent: first.id, observer });
    assert.deepEqual([next.state, next.counts.unchangedFiles], ["good", 0], kind);
  }
  assert.ok(warnings.length > 0);
});

test("abort() removes images that were taken over and releases the lock, at whatever point it comes", async () => {
  await using place = new Place();
  for (const steps of [0, 1, 2, 3]) {
    const writer = await place.begin({ type: "full" });
    const imagePath = join(place.folder, `image-${steps}`);
    writeFileSync(imagePath, Buffer.alloc(100_000, steps));
    const check = { method: "quick_check", ok: true, messages: [] } as const;
    const image = { name: "app.db", path: "/srv/app.db", sizeBytes: 100_000, pageSizeBytes: 4096, imagePath };
    if (steps > 0) {
      await writer.addDatabase({ ...image, journalMode: "wal", check, mode: 0o600, uid: 0, gid: 0 }, signal);
    }
    if (steps > 1) {
      const entries = await place.walk();
      await writer.settle(entries, signal);
      const added = entries.map((entry) => ({ entry, settled: false }));
      await writer.add(added, signal);
    }
    const finishing = steps > 2 ? writer.finish(summary(), signal) : undefined;
    finishing?.catch(() => undefined);
    await writer.abort();
    const repo = await place.repo;
    assert.deepEqual((await loadSnapshots(repo, signal)).snapshots, []);
    assert.deepEqual(await listLocks(repo, signal), []);
    if (steps > 0) assert.equal(existsSync(imagePath), false);
    await assert.rejects(writer.add([], signal), TypeError);
  }
});

test("begin() refuses what could not be read back, before anything is stored", async () => {
  await using place = new Place();
  await assert.rejects(place.begin({ source: "s".repeat(5_000) }), (error) =>
    isBackupError(error, "invalid-input"),
  );
});

test("finish() makes a snapshot as restic's own: its paths, its host, tags that say what it is", async () => {
  await using place = new Place();
  const backup = await place.backUp({ tags: ["weekly"], startedAtMs: 1_700_000_000_123 });
  const { snapshots } = await loadSnapshots(await place.repo, signal);
  const document = snapshots[0]?.document;
  assert.equal(snapshots[0]?.id, backup.id);
  assert.deepEqual(document?.paths, [place.source]);
  assert.deepEqual(document?.tags, ["vertex-backup", "type:storage", "source:shop", "weekly"]);
  assert.deepEqual([document?.hostname, document?.timeMs], ["probe", 1_700_000_000_123]);
  assert.equal(document?.summary?.totalFilesProcessed, 4);
  assert.equal(document?.others?.has("vertex_backup"), true);
});
