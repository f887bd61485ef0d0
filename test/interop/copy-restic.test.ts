/**
 * Copies between restic's repositories and plain archives: what restic wrote must come
 * out of the copy's tar, and what we wrote must come out of restic.
 */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { createBackupManager } from "../../src/app/create-backup-manager.ts";
import { describeFolder } from "../../src/testing/archive-tree.ts";
import { createBrowseScene } from "../../src/testing/browse-scene.ts";

const password = "geheim";

function restic(directory: string, repository: string, ...args: string[]): string {
  const env = { ...process.env, RESTIC_PASSWORD: password, RESTIC_REPOSITORY: join(directory, repository) };
  return execFileSync("restic", ["--no-cache", ...args], { encoding: "utf8", env, cwd: directory });
}

/** Without the time of the folder itself, which unpacking beside it may change. */
async function treeOf(folder: string): Promise<Record<string, unknown>> {
  const { "": _top, ...inside } = await describeFolder(folder);
  return inside;
}

test("a snapshot of restic's own becomes a tar that holds all of it but pipes, which are named", async () => {
  await using scene = createBrowseScene();
  const { app } = scene;
  const { directory, uploads } = app;
  const wanted = await treeOf(uploads);
  execFileSync("mkfifo", [join(uploads, "pipe")]);
  restic(directory, "repository", "init");
  restic(directory, "repository", "backup", "--host", "web9", "--tag", "nightly", uploads);
  await using repository = createBackupManager({
    ...app.configuration,
    vault: join(directory, "repository"),
    password,
  });
  const archive = scene.otherManager("archive");
  const { outcomes } = await repository.copyBackups(archive);
  assert.deepEqual(
    outcomes.map(({ outcome }) => outcome),
    ["copied"],
  );
  const [copy] = await archive.listBackups();
  assert.deepEqual(
    [copy?.type, copy?.host, copy?.tags, copy?.state],
    ["storage", "web9", ["nightly"], "good"],
  );
  assert.deepEqual(
    copy?.problems.map(({ kind, path }) => `${kind} ${path}`),
    ["special-file uploads/pipe"],
  );
  const tar = copy?.files.find(({ role }) => role === "archive")?.name ?? "";
  mkdirSync(join(directory, "unpacked"));
  execFileSync("tar", ["-xpzf", join(directory, "archive", tar), "-C", join(directory, "unpacked")]);
  assert.deepEqual(await treeOf(join(directory, "unpacked/uploads")), wanted);
  assert.equal(statSync(join(directory, "unpacked/uploads/same.txt")).nlink, 2);
});

test("restic finds its own snapshots in another repository as they were, and rotation leaves them to it", async () => {
  await using scene = createBrowseScene();
  const { app } = scene;
  const { directory, uploads } = app;
  execFileSync("mkfifo", [join(uploads, "pipe")]);
  restic(directory, "one", "init");
  restic(directory, "one", "backup", "--host", "web9", "--tag", "nightly", uploads);
  rmSync(join(uploads, "deep"), { recursive: true });
  restic(directory, "one", "backup", "--host", "web9", "--tag", "nightly", uploads);
  const open = (name: string) =>
    createBackupManager({
      ...app.configuration,
      ...{ vault: join(directory, name), format: "repository", password },
    });
  await using one = open("one");
  await using two = open("two");
  await one.copyBackups(two);
  const snapshots = (name: string) =>
    JSON.parse(restic(directory, name, "snapshots", "--json")) as Record<string, unknown>[];
  const described = ({ time, tree, paths, hostname, username, tags }: Record<string, unknown>) => ({
    ...{ time, tree, paths, hostname, username, tags },
  });
  assert.deepEqual(snapshots("two").map(described), snapshots("one").map(described));
  assert.deepEqual(
    snapshots("two").map(({ original }) => original),
    snapshots("one").map(({ id }) => id),
  );
  assert.match(restic(directory, "two", "check", "--read-data"), /no errors were found/);
  assert.match(restic(directory, "two", "ls", "latest", "--long"), /prw.*\/pipe/);
  await two.rotateBackups({ rules: { last: 1 } });
  assert.equal(snapshots("two").length, 2);
  restic(directory, "two", "forget", "--keep-last", "1", "--prune");
  assert.equal((await two.listBackups()).length, 1);
});

test("restic restores and checks what was copied from an archive into a repository", async () => {
  await using scene = createBrowseScene();
  const { app, manager } = scene;
  const { directory, uploads } = app;
  await manager.createBackup();
  await using repository = createBackupManager({
    ...app.configuration,
    vault: join(directory, "repository"),
    format: "repository",
    password,
  });
  await manager.copyBackups(repository);
  assert.match(restic(directory, "repository", "check", "--read-data"), /no errors were found/);
  restic(directory, "repository", "restore", "latest", "--target", join(directory, "restored"));
  const restored = join(directory, "restored");
  assert.deepEqual(await treeOf(join(restored, uploads)), await treeOf(uploads));
  assert.equal(statSync(join(restored, uploads, "same.txt")).nlink, 2);
  assert.ok(statSync(join(restored, app.database)).size > 0);
});
