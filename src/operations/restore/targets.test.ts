import assert from "node:assert/strict";
import { test } from "node:test";
import { type ErrorKind, isBackupError } from "../../domain/error.ts";
import { sampleBackup } from "../../testing/sample-backup.ts";
import type { Source } from "../requests.ts";
import { chooseTargets, type TargetRequest } from "./targets.ts";

const backup = sampleBackup();
const all: TargetRequest = { databases: backup.databases, roots: backup.roots };

function source(
  name: string,
  databases: Record<string, string>,
  folders: Record<string, string> = {},
): Source {
  const rest = { excludes: [], oneFileSystem: false, excludeCaches: false, plainFiles: [] };
  return {
    name,
    databases: Object.entries(databases).map(([own, path]) => ({ name: own, path })),
    folders: Object.entries(folders).map(([own, path]) => ({ name: own, path, ...rest })),
    references: [],
  };
}

function paths(request: TargetRequest, sources: readonly Source[] = [], from = backup): readonly string[] {
  return chooseTargets(from, request, sources).targets.map(({ path }) => path);
}

const fails = (kind: ErrorKind) => (error: unknown) =>
  isBackupError(error, kind) && error.message.startsWith("Cannot restore");

test("chooseTargets() takes everything to where it was", () => {
  assert.deepEqual(paths(all), ["/srv/shop/app.db", "/srv/shop/uploads"]);
  assert.deepEqual(chooseTargets(backup, all, []).warnings, []);
});

test("chooseTargets() prefers where the source has it now, and says so", () => {
  const sources = [
    source("other", { "app.db": "/no" }),
    source("shop", { "app.db": "/new/app.db" }, { media: "/m" }),
  ];
  const chosen = chooseTargets(backup, all, sources);
  assert.deepEqual(
    chosen.targets.map(({ path }) => path),
    ["/new/app.db", "/srv/shop/uploads"],
  );
  assert.match(
    chosen.warnings.join(),
    /app\.db was backed up from \/srv\/shop\/app\.db and is restored to \/new\/app\.db/,
  );
});

test("chooseTargets() puts everything below a target under its name", () => {
  assert.deepEqual(paths({ ...all, target: "/tmp/x" }), ["/tmp/x/app.db", "/tmp/x/uploads"]);
});

test("chooseTargets() refuses names and paths that lead elsewhere", () => {
  const [database] = backup.databases;
  assert.ok(database);
  for (const name of ["../x", "..", ".", "", "a/b", "a\0b"]) {
    const request = { target: "/tmp/x", databases: [{ ...database, name }], roots: [] };
    assert.throws(() => paths(request), fails("unsafe"), name);
  }
  for (const path of ["relative/app.db", "/a\0b"]) {
    assert.throws(() => paths({ databases: [{ ...database, path }], roots: [] }), fails("unsafe"), path);
  }
});

test("chooseTargets() gives a file of the original to the only one of its kind, and to none of several", () => {
  const foreign = sampleBackup({ source: "" });
  const [database] = foreign.databases;
  assert.ok(database);
  const request = { databases: [{ ...database, name: "db_backup_1.db", path: "" }], roots: [] };
  assert.deepEqual(paths(request, [source("a", { "app.db": "/a.db" })], foreign), ["/a.db"]);
  const several = [source("a", { "app.db": "/a.db" }), source("b", { "app.db": "/b.db" })];
  assert.throws(() => paths(request, several, foreign), fails("invalid-input"));
  assert.deepEqual(paths({ ...request, source: "b" }, several, foreign), ["/b.db"]);
  assert.throws(() => paths(request, [source("a", { x: "/x", y: "/y" })], foreign), fails("invalid-input"));
});

test("chooseTargets() refuses two that go to one place", () => {
  const [database] = backup.databases;
  assert.ok(database);
  const request = { databases: [database], roots: [{ name: "app.db", path: "/other" }], target: "/t" };
  assert.throws(() => paths(request), fails("invalid-input"));
});
