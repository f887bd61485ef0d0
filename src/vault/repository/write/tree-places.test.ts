import assert from "node:assert/strict";
import { test } from "node:test";
import { ownPath, placeRoots, treeComponents } from "./tree-places.ts";

test("placeRoots() puts roots at their own paths, and those that overlap or have none into a folder of ours", () => {
  const paths = [
    "/srv/app",
    "/srv/app/uploads",
    "/srv/application",
    "/srv",
    "/srv//app/",
    "relative",
    "/",
    "C:\\x",
  ];
  const roots = paths.map((path, i) => ({ name: `r${i}`, path }));
  assert.deepEqual(
    placeRoots(roots).map(({ treePath }) => treePath),
    [
      "/srv/app",
      "/.vertex-backup/roots/r1",
      "/srv/application",
      "/.vertex-backup/roots/r3",
      "/.vertex-backup/roots/r4",
      "/.vertex-backup/roots/r5",
      "/.vertex-backup/roots/r6",
      "/.vertex-backup/roots/r7",
    ],
  );
});

test("placeRoots() lets no path lead out of the tree, nor into what is ours", () => {
  for (const path of ["/a/../b", "/./a", "/a\0b", "/.vertex-backup/manifest.json", ""]) {
    assert.equal(treeComponents(path), undefined, path);
  }
  assert.deepEqual(treeComponents("/srv/.vertex-backup"), ["srv", ".vertex-backup"]);
});

test("ownPath() makes names that a folder can have, each once", () => {
  const taken = new Set<string>();
  const names = ["a/b", "a_b", "..", "", "x"].map((name) => ownPath("databases", name, taken));
  const folder = "/.vertex-backup/databases/";
  assert.deepEqual(
    names,
    ["a_b", "a_b-2", "_", "_-2", "x"].map((name) => folder + name),
  );
});
