/**
 * What we write into a repository, judged by Debian's restic: it checks it, restores
 * it, and makes the same trees of the same folders.
 *
 * @module
 */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { incompressible } from "../../bench/data.ts";
import type { Backup } from "../../src/domain/backup.ts";
import type { EntryRoot } from "../../src/domain/entry.ts";
import { silentObserver } from "../../src/domain/progress.ts";
import { loadAccountNames } from "../../src/source/folder/account-names.ts";
import { walkFolder } from "../../src/source/folder/walk-folder.ts";
import { acquireLock } from "../../src/vault/repository/locks/acquire-lock.ts";
import { openBackupWriter } from "../../src/vault/repository/backup-writer.ts";
import type { Repository } from "../../src/vault/repository/repository.ts";
import type { BeginOptions, BackupWriter, DatabaseImage } from "../../src/vault/vault.ts";
import { ResticPlace, signal } from "./restic.ts";

interface Run {
  readonly roots: readonly EntryRoot[];
  readonly databases?: readonly DatabaseImage[];
  readonly begun?: Partial<BeginOptions>;
  readonly beforeAdd?: () => void;
}

async function begin(repo: Repository, run: Run): Promise<BackupWriter> {
  const begun: BeginOptions = {
    type: "full",
    source: "shop",
    host: "probe",
    startedAtMs: Date.now(),
    safety: false,
    tags: [],
    roots: run.roots,
    parent: undefined,
    level: undefined,
    lockWaitMs: 0,
    observer: silentObserver,
    ...run.begun,
  };
  const lock = await acquireLock(repo, { ...begun, exclusive: false }, signal);
  return await openBackupWriter({ repo, lock, begun, ownerNames: loadAccountNames() }, signal);
}

async function backUp(repo: Repository, run: Run): Promise<Backup> {
  const writer = await begin(repo, run);
  for (const image of run.databases ?? []) await writer.addDatabase(image, signal);
  for (const root of run.roots) {
    const skip = new Set((run.databases ?? []).map(({ path }) => path as never));
    const options = { root, excludes: [], oneFileSystem: false, excludeCaches: false, skip };
    for await (const entries of walkFolder(options, () => undefined, signal)) {
      const settled = await writer.settle(entries, signal);
      run.beforeAdd?.();
      await writer.add(
        entries.map((entry, i) => ({ entry, settled: settled[i] ?? false })),
        signal,
      );
    }
  }
  const summary = { problems: [], problemCount: 0, suspect: () => "", durationMs: () => 1 };
  return await writer.finish(summary, signal);
}

/** Every kind of file there is, of sizes around every border. */
function makeFolder(folder: string): void {
  mkdirSync(join(folder, "deep/er/empty folder"), { recursive: true });
  for (const [i, size] of [0, 1, 63, 64, 524_287, 524_288, 524_289, 3_000_000, 20_000_000].entries()) {
    writeFileSync(join(folder, `size-${i}.bin`), incompressible(size, i + 1));
  }
  writeFileSync(join(folder, "text.txt"), "all work and no play ".repeat(200_000));
  writeFileSync(join(folder, "zeros.img"), Buffer.alloc(9 << 20));
  writeFileSync(join(folder, "large.bin"), incompressible(70 << 20, 77));
  writeFileSync(join(folder, "deep/er/имя & <файла>.txt"), "UTF-8");
  writeFileSync(join(folder, 'deep/d"q\\x\n'), "quoted");
  writeFileSync(Buffer.concat([Buffer.from(`${folder}/not-utf8-`), Buffer.from([0xff, 0xfe])]), "bytes");
  writeFileSync(join(folder, "deep.txt"), "sorts between deep and deep/er");
  linkSync(join(folder, "text.txt"), join(folder, "deep/same-text.txt"));
  linkSync(join(folder, "text.txt"), join(folder, "another text.txt"));
  symlinkSync("deep/er/nowhere & <beyond>", join(folder, "shortcut"));
  chmodSync(join(folder, "size-1.bin"), 0o4751);
  chmodSync(join(folder, "deep"), 0o1777);
  utimesSync(join(folder, "size-2.bin"), 1_600_000_000.25, 1_600_000_000.125);
  utimesSync(join(folder, "size-3.bin"), 0, -86_400);
}

/** Same bytes, times, modes, owners, numbers of names, targets of links. */
function assertSameTree(expected: string, actual: string): void {
  assert.equal(describeTree(actual), describeTree(expected));
  execFileSync("diff", ["-r", "--no-dereference", expected, actual]);
}

function describeTree(folder: string): string {
  // A folder's own size is its file system's business, and its number of names too.
  const args = [".", "-type", "d", "-printf", "%P %m %U %G %T@\\0", "-o", "-printf"];
  const lines = execFileSync("find", [...args, "%P %y %m %U %G %T@ %s %n %l\\0"], {
    cwd: folder,
    encoding: "latin1",
  });
  return lines.split("\0").sort().join("\n");
}

async function subtreeOf(place: ResticPlace, snapshot: string, path: string): Promise<string> {
  let tree = (JSON.parse(await place.ok("cat", "snapshot", snapshot)) as { tree: string }).tree;
  for (const name of path.split("/").filter((part) => part !== "")) {
    const { nodes } = JSON.parse(await place.ok("cat", "blob", tree)) as {
      nodes: { name: string; subtree: string }[];
    };
    const node = nodes.find((one) => one.name === name);
    assert.ok(node !== undefined, `${name} of ${path} is in the tree`);
    tree = node.subtree;
  }
  return tree;
}

test("a backup of ours is checked and restored by restic, and has the tree restic makes of the same folder", async () => {
  await using place = await ResticPlace.open();
  const folder = join(place.folder, "files");
  makeFolder(folder);
  const repo = await place.create();
  const backup = await backUp(repo, { roots: [{ name: "files", path: folder }] });
  assert.equal(backup.state, "good", backup.stateReason);
  assert.match(await place.ok("check", "--read-data"), /no errors were found/);
  const target = join(place.folder, "restored");
  await place.ok("restore", backup.id, "--target", target);
  assertSameTree(folder, join(target, folder));
  await place.ok("backup", folder, "--host", "probe");
  const snapshots = JSON.parse(await place.ok("snapshots", "--json")) as { id: string; paths: string[] }[];
  const theirs = snapshots.find(({ id }) => id !== backup.id);
  assert.ok(theirs !== undefined);
  assert.equal(
    await subtreeOf(place, backup.id, folder),
    await subtreeOf(place, theirs.id, folder),
    "both made the same tree",
  );
  // Everything restic wanted to store was there: the chunks are the same.
  assert.match(await place.ok("stats", "--mode", "raw-data", "--json"), /total_size/);
  const paths = snapshots.map((snapshot) => snapshot.paths);
  assert.deepEqual(paths, [[folder], [folder]]);
  assert.match(await place.ok("diff", backup.id, theirs.id), /Files:\s+0 new,\s+1 removed,\s+0 changed/);
  assert.match(await place.ok("ls", backup.id), /text\.txt/);
  assert.match(await place.ok("check", "--read-data"), /no errors were found/);
});

test("restic goes on where our run was aborted, and its forget and prune keep what ours need", async () => {
  await using place = await ResticPlace.open();
  const folder = join(place.folder, "files");
  makeFolder(folder);
  const repo = await place.create();
  const run = { roots: [{ name: "files", path: folder }] };
  const aborted = await begin(repo, run);
  await aborted.abort();
  assert.deepEqual(JSON.parse(await place.ok("snapshots", "--json")), []);
  const first = await backUp(repo, run);
  writeFileSync(join(folder, "text.txt"), "changed");
  await setTimeout(20);
  const second = await backUp(repo, { ...run, begun: { parent: first.id } });
  assert.ok(second.counts.unchangedFiles >= 15, "most was settled");
  await place.ok("forget", first.id, "--prune");
  assert.match(await place.ok("check", "--read-data"), /no errors were found/);
  await place.ok("restore", second.id, "--target", join(place.folder, "restored"));
  assertSameTree(folder, join(place.folder, "restored", folder));
});

test("databases are files of restic's, inside a root, beside all roots, and where two have one path", async () => {
  await using place = await ResticPlace.open();
  const folder = join(place.folder, "app");
  mkdirSync(join(folder, "data"), { recursive: true });
  writeFileSync(join(folder, "data/a.txt"), "a");
  writeFileSync(join(folder, "data/z.txt"), "z");
  const contents = new Map<string, Buffer>();
  const images: DatabaseImage[] = [];
  for (const [i, path] of [
    join(folder, "data/live.db"),
    join(place.folder, "beside.db"),
    join(place.folder, "beside.db"),
    "C:\\strange.db",
  ].entries()) {
    const imagePath = join(place.folder, `image-${i}`);
    const database = new DatabaseSync(imagePath);
    database.exec("CREATE TABLE t (x)");
    const insert = database.prepare("INSERT INTO t VALUES (?)");
    database.exec("BEGIN");
    for (let row = 0; row < 500; row++) insert.run(randomBytes(2_000));
    database.exec("COMMIT");
    database.close();
    const bytes = readFileSync(imagePath);
    contents.set(`db-${i}`, bytes);
    images.push({
      name: `db-${i}`,
      path,
      sizeBytes: bytes.length,
      pageSizeBytes: 4096,
      journalMode: "wal",
      check: { method: "quick_check", ok: true, messages: [] },
      mode: 0o640,
      uid: process.getuid?.() ?? 0,
      gid: process.getgid?.() ?? 0,
      imagePath,
    });
  }
  const repo = await place.create();
  const backup = await backUp(repo, { roots: [{ name: "app", path: folder }], databases: images });
  assert.match(await place.ok("check", "--read-data"), /no errors were found/);
  const target = join(place.folder, "restored");
  await place.ok("restore", backup.id, "--target", target);
  const manifest = JSON.parse(readFileSync(join(target, ".vertex-backup/manifest.json"), "utf8")) as {
    databases: { name: string; tree_path: string }[];
  };
  assert.deepEqual(
    manifest.databases.map(({ tree_path }) => tree_path),
    [
      join(folder, "data/live.db"),
      join(place.folder, "beside.db"),
      "/.vertex-backup/databases/db-2",
      "/.vertex-backup/databases/db-3",
    ],
  );
  for (const { name, tree_path } of manifest.databases) {
    assert.ok(readFileSync(join(target, tree_path)).equals(contents.get(name) ?? Buffer.alloc(0)), name);
  }
  assert.throws(() => readFileSync(join(place.folder, "image-0")), { code: "ENOENT" });
});

test("roots inside each other, empty, missing, and files that vanish or change are all in one good tree", async () => {
  await using place = await ResticPlace.open();
  const folder = join(place.folder, "outer");
  mkdirSync(join(folder, "inner"), { recursive: true });
  mkdirSync(join(place.folder, "empty"));
  for (const name of ["gone", "kept", "swapped"]) writeFileSync(join(folder, "inner", name), name);
  linkSync(join(folder, "inner/gone"), join(folder, "inner/gone-too"));
  await setTimeout(20);
  const repo = await place.create();
  let calls = 0;
  const backup = await backUp(repo, {
    roots: [
      { name: "outer", path: folder },
      { name: "inner", path: join(folder, "inner") },
      { name: "empty", path: join(place.folder, "empty") },
    ],
    beforeAdd() {
      if (calls++ > 0) return;
      renameSync(join(folder, "inner/gone"), join(place.folder, "moved"));
      rmSync(join(folder, "inner/swapped"));
      symlinkSync("/etc/passwd", join(folder, "inner/swapped"));
    },
  });
  assert.deepEqual(
    backup.problems.map(({ kind, path }) => [kind, path]),
    [
      ["vanished", "outer/inner/gone"],
      ["vanished", "outer/inner/swapped"],
    ],
  );
  assert.match(await place.ok("check", "--read-data"), /no errors were found/);
  const listed = await place.ok("ls", backup.id);
  for (const path of [
    join(folder, "inner/gone-too"),
    join(folder, "inner/kept"),
    "/.vertex-backup/roots/inner/kept",
    join(place.folder, "empty"),
  ]) {
    assert.ok(listed.split("\n").includes(path), path);
  }
});
