import assert from "node:assert/strict";
import { test } from "node:test";
import { asByteString } from "../../domain/byte-string.ts";
import { compareEntryPaths, type Entry, type StoredEntry } from "../../domain/entry.ts";
import { fc } from "../../testing/properties.ts";
import { compareTree } from "./compare-tree.ts";

const signal = new AbortController().signal;
const startedAtMs = 1_700_000_000_000;

function entryOf(path: string, more: Partial<StoredEntry> = {}): StoredEntry {
  const attributes = { kind: "file", mode: 0o644, uid: 0, gid: 0, mtimeNs: 5000n, ctimeNs: 1n } as const;
  return { root: "r", path: asByteString(path), ...attributes, inode: 1n, sizeBytes: 3, ...more };
}

async function* each<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}

async function compare(stored: readonly StoredEntry[], present: readonly Entry[]): Promise<string[]> {
  const batches = present.map((entry) => [entry]);
  const differences = await Array.fromAsync(compareTree(each(stored), each(batches), startedAtMs, signal));
  return differences.map(({ change, path, newer }) => `${change} ${path}${newer ? " newer" : ""}`);
}

test("compareTree() tells what a restore adds, changes, removes and leaves, in order", async () => {
  const later = BigInt(startedAtMs + 1) * 1_000_000n;
  const stored = [entryOf("a"), entryOf("b"), entryOf("c"), entryOf("d"), entryOf("e")];
  const present = [
    entryOf("a", { mtimeNs: 5999n }),
    entryOf("b", { sizeBytes: 4, mtimeNs: later }),
    entryOf("c", { mode: 0o600 }),
    entryOf("cc", { mtimeNs: later }),
    entryOf("d", { mtimeNs: 6000n }),
    entryOf("f"),
  ];
  assert.deepEqual(await compare(stored, present), [
    "none a",
    "change b newer",
    "change c",
    "remove cc newer",
    "change d",
    "add e",
    "remove f",
  ]);
  assert.deepEqual(await compare(stored.slice(0, 1), []), ["add a"]);
});

test("compareTree() knows kinds, links, folders, further names and captured databases", async () => {
  const linkTo = (target: string): Partial<StoredEntry> => ({
    kind: "symlink",
    linkTarget: asByteString(target),
  });
  const cases: [Partial<StoredEntry>, Partial<StoredEntry>, string][] = [
    [{}, linkTo("x"), "change a"],
    [linkTo("x"), { ...linkTo("x"), mtimeNs: 1n, mode: 0o777 }, "none a"],
    [linkTo("x"), linkTo("y"), "change a"],
    [{ kind: "directory" }, { kind: "directory", mtimeNs: 1n }, "none a"],
    [{ kind: "directory" }, { kind: "directory", mode: 0o700 }, "change a"],
    [{ hardLinkTo: asByteString("0"), sizeBytes: 0 }, {}, "none a"],
    [{ ctimeNs: 0n }, {}, "change a"],
    [{ ctimeNs: 0n, inode: 0n }, {}, "none a"],
  ];
  for (const [stored, present, expected] of cases) {
    assert.deepEqual(await compare([entryOf("a", stored)], [entryOf("a", present)]), [expected]);
  }
});

test("compareTree() names every path of both sides once, in the order of entries", async () => {
  const name = fc.constantFrom("a", "b", "a-b", "a.b", "a/b", "a/c/d", "z");
  const paths = fc
    .uniqueArray(name)
    .map((names) => names.sort((a, b) => compareEntryPaths(asByteString(a), asByteString(b))));
  await fc.assert(
    fc.asyncProperty(paths, paths, async (stored, present) => {
      const told = await compare(
        stored.map((path) => entryOf(path)),
        present.map((path) => entryOf(path)),
      );
      const all = [...new Set([...stored, ...present])];
      const expected = all
        .sort((a, b) => compareEntryPaths(asByteString(a), asByteString(b)))
        .map(
          (path) => `${!present.includes(path) ? "add" : stored.includes(path) ? "none" : "remove"} ${path}`,
        );
      assert.deepEqual(told, expected);
    }),
  );
});
