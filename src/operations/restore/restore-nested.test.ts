import assert from "node:assert/strict";
import { appendFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import "../../testing/kept-captures.ts";
import { createBackupManager } from "../../app/create-backup-manager.ts";
import type { BackupManager } from "../backup-manager.ts";
import { createLiveApp, type LiveApp } from "../../testing/live-app.ts";

interface Scene {
  readonly app: LiveApp;
  readonly manager: BackupManager;
  readonly databases: readonly string[];
  readonly files: readonly string[];
}

/** Three folders in each other with a database in each of them, one of which lies further down. */
async function withScene(work: (scene: Scene) => Promise<void>): Promise<void> {
  await using app = createLiveApp();
  const inner = join(app.uploads, "in");
  const innermost = join(inner, "deep");
  mkdirSync(join(innermost, "further"), { recursive: true });
  const databases = [
    join(app.uploads, "outer.db"),
    join(inner, "inner.db"),
    join(innermost, "further", "deep.db"),
  ];
  const files = [app.uploads, inner, innermost].map((folder) => join(folder, "file.txt"));
  for (const path of databases) write(path, "CREATE TABLE t(value); INSERT INTO t VALUES ('then')");
  for (const path of files) writeFileSync(path, "then");
  const source = { name: "shop", databases, storage: [app.uploads, inner, innermost] };
  await using manager = createBackupManager({ ...app.configuration, sources: [source] });
  await manager.createFullBackup();
  for (const path of databases) write(path, "UPDATE t SET value = 'since'");
  for (const path of files) writeFileSync(path, "since");
  await work({ app, manager, databases, files });
}

function write(path: string, sql: string): void {
  using database = new DatabaseSync(path);
  database.exec(sql);
}

function valuesOf({ databases, files }: Scene): readonly string[] {
  const rows = databases.map((path) => {
    using database = new DatabaseSync(path, { readOnly: true });
    return String(database.prepare("SELECT value FROM t").get()?.["value"]);
  });
  return [...rows, ...files.map((path) => readFileSync(path, "utf8"))];
}

const six = (value: string): readonly string[] => Array.from({ length: 6 }, () => value);

test("restore: folders in each other and databases in them come back together, and an undo takes all back", async () => {
  await withScene(async (scene) => {
    const { app, manager, databases } = scene;
    for (const suffix of ["-wal", "-shm"]) appendFileSync(`${databases[1]}${suffix}`, "of the old one");
    await manager.restoreBackup({ backup: "latest" });
    assert.deepEqual(valuesOf(scene), six("then"));
    assert.deepEqual(readdirSync(join(app.uploads, "in")).sort(), ["deep", "file.txt", "inner.db"]);
    assert.deepEqual(
      readdirSync(app.directory).filter((name) => name.includes(".vertex-restore-")),
      [],
    );
    await manager.undoRestore();
    for (const suffix of ["-wal", "-shm"]) rmSync(`${databases[1]}${suffix}`);
    assert.deepEqual(valuesOf(scene), six("since"));
  });
});

test("restore: folders in each other come back where all of them are gone", async () => {
  await withScene(async (scene) => {
    rmSync(scene.app.uploads, { recursive: true });
    await scene.manager.restoreBackup({ backup: "latest" });
    assert.deepEqual(valuesOf(scene), six("then"));
  });
});

test("restore: parts of folders in each other come back with the databases in them", async () => {
  await withScene(async (scene) => {
    const include = ["in/**", "deep/**", "inner.db", "deep.db"];
    await scene.manager.restoreBackup({ backup: "latest", include });
    assert.deepEqual(valuesOf(scene), ["since", "then", "then", "since", "then", "then"]);
  });
});

test("restore: what an undo keeps inside a folder outlives later restores of that folder, for no backup holds it", async () => {
  await withScene(async ({ app, manager }) => {
    const [backup] = await manager.listBackups();
    assert.ok(backup);
    const file = join(app.uploads, "in", "file.txt");
    await manager.restoreBackup({ backup: backup.id, include: ["in/file.txt"] });
    writeFileSync(file, "only copy");
    await manager.undoRestore();
    assert.equal(readFileSync(file, "utf8"), "since");
    for (let times = 1; times <= 2; times++) await manager.restoreBackup({ backup: backup.id });
    const left = readdirSync(app.directory, { recursive: true, encoding: "utf8" });
    const texts = left
      .filter((name) => name.includes(".vertex-previous-") && name.endsWith("/file.txt"))
      .map((name) => readFileSync(join(app.directory, name), "utf8"));
    assert.ok(texts.includes("only copy"), `${texts}`);
  });
});
