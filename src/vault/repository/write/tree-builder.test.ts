import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { test } from "node:test";
import { asByteString, type ByteString } from "../../../domain/byte-string.ts";
import { compareEntryPaths } from "../../../domain/entry.ts";
import type { ObjectId, TreeNode } from "../../../format/restic/model.ts";
import { encodeTree, encodeTreeOfNodes, parseTree } from "../../../format/restic/tree.ts";
import { fc } from "../../../testing/properties.ts";
import { ParsedTree } from "./earlier-tree.ts";
import { type EarlierDirectory, type InsertedNode, type NodeSlot, TreeBuilder } from "./tree-builder.ts";
import { type NodeFacts, NodeMaker } from "./tree-nodes.ts";

const nodes = new NodeMaker(undefined);
const facts: NodeFacts = { mode: 0o700, uid: 1, gid: 2, mtimeNs: 3n, ctimeNs: 4n, inode: 5n };

function fileNode(name: ByteString): TreeNode {
  const content = [hash("sha256", name, "hex")];
  return nodes.file(name, facts, { content, sizeBytes: 1 });
}

interface Built {
  readonly trees: Map<ObjectId, Buffer>;
  readonly builder: TreeBuilder;
  readonly root: () => TreeNode | undefined;
}

function open(insertionsAt: (path: ByteString) => readonly InsertedNode[] = () => []): Built {
  const trees = new Map<ObjectId, Buffer>();
  let root: TreeNode | undefined;
  const builder = new TreeBuilder(
    asByteString("root"),
    {
      fill(node) {
        root = node;
      },
    },
    {
      insertionsAt,
      missingDirectory: (name) => nodes.directory(name, facts),
      saveTree(texts) {
        const bytes = encodeTreeOfNodes(texts);
        const id = hash("sha256", bytes, "hex");
        trees.set(id, bytes);
        return id;
      },
    },
  );
  return { trees, builder, root: () => root };
}

/** The same, made from leaves to root in the plainest way. */
function plainTree(files: readonly string[], directories: readonly string[], at: string): ObjectId {
  const inside = (path: string): string | undefined => {
    const rest = at === "" ? path : path.startsWith(`${at}/`) ? path.slice(at.length + 1) : undefined;
    return rest === undefined || rest === "" || rest.includes("/") ? undefined : rest;
  };
  const found = [
    ...files
      .filter((path) => inside(path) !== undefined)
      .map((path) => fileNode(asByteString(inside(path) ?? ""))),
    ...directories
      .filter((path) => inside(path) !== undefined)
      .map((path) => ({
        ...nodes.directory(asByteString(inside(path) ?? ""), facts),
        subtree: plainTree(files, directories, path),
      })),
  ];
  return hash("sha256", encodeTree(found.sort((a, b) => (a.name < b.name ? -1 : 1))), "hex");
}

const name = fc.constantFrom("a", "b", "b.txt", "b-", "c", "\xff");
const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/"));

test("a builder makes the trees of any folder, in whatever order its files are done", () => {
  fc.assert(
    fc.property(fc.uniqueArray(path, { maxLength: 25 }), fc.infiniteStream(fc.nat()), (paths, chance) => {
      const parents = new Set(
        paths.flatMap((one) => one.split("/").map((_, i, all) => all.slice(0, i).join("/"))),
      );
      parents.delete("");
      const files = paths.filter((one) => !parents.has(one));
      const order = ["", ...parents, ...files].sort((a, b) =>
        compareEntryPaths(asByteString(a), asByteString(b)),
      );
      const { builder, root } = open();
      const waiting: (() => void)[] = [];
      for (const one of order) {
        const at = asByteString(one);
        if (one === "" || parents.has(one))
          builder.addDirectory(at, nodes.directory(builder.nameOf(at), facts));
        else {
          const slot = builder.addSlot(at);
          waiting.push(() => slot.fill(fileNode(builder.nameOf(at))));
        }
        if (chance.next().value % 2 === 0)
          waiting.splice(chance.next().value % (waiting.length + 1), 1)[0]?.();
      }
      builder.end();
      assert.equal(root() === undefined, waiting.length > 0);
      for (const fill of waiting) fill();
      assert.equal(root()?.subtree, plainTree(files, [...parents], ""));
    }),
    { numRuns: 200 },
  );
});

test("a builder leaves out what turns out not to be there, and makes folders that have no entry of their own", () => {
  const { builder, root, trees } = open();
  for (const one of ["a/b/x", "a/b/y", "c"]) {
    const at = asByteString(one);
    builder.addSlot(at).fill(one === "a/b/x" ? undefined : fileNode(builder.nameOf(at)));
  }
  builder.end();
  assert.equal(root()?.subtree, plainTree(["a/b/y", "c"], ["a", "a/b"], ""));
  assert.equal(trees.size, 3);
});

test("a builder inserts what belongs into a folder at its place, and not where that is taken", () => {
  const slots: NodeSlot[] = [];
  const { builder, root, trees } = open((at) =>
    at === "d"
      ? ["m", "b", "b"].map((one) => ({ name: asByteString(one), place: (slot) => void slots.push(slot) }))
      : [],
  );
  for (const at of ["", "d"])
    builder.addDirectory(asByteString(at), nodes.directory(asByteString("d"), facts));
  for (const at of ["d/a", "d/b", "d/z"])
    builder.addSlot(asByteString(at)).fill(fileNode(asByteString(at.slice(2))));
  builder.end();
  assert.equal(slots.length, 1);
  assert.equal(root(), undefined);
  slots[0]?.fill(fileNode(asByteString("m")));
  assert.notEqual(root(), undefined);
  const names = [...trees.values()].map((bytes) =>
    parseTree(bytes)
      .map((node) => node.name)
      .join(""),
  );
  assert.ok(names.includes("abmz"), names.join());
});

test("a builder takes over the tree of a folder in which all is as before, and of no other", () => {
  const before = ["a", "b"].map((one) => fileNode(asByteString(one)));
  const tree = new ParsedTree(before);
  const earlier: EarlierDirectory = { at: undefined, id: "0".repeat(64), tree };
  const other = new ParsedTree(before);
  const cases: readonly [boolean, (builder: TreeBuilder) => void][] = [
    [true, (builder) => before.forEach(({ name }, row) => void builder.addEarlier(name, { tree, row }))],
    [
      true,
      (builder) => before.forEach((node, row) => void builder.addSlot(node.name).fill(node, { tree, row })),
    ],
    [false, (builder) => builder.addEarlier(asByteString("a"), { tree, row: 0 })],
    [false, (builder) => before.forEach((node) => void builder.addSlot(node.name).fill(node))],
    [
      false,
      (builder) => before.forEach(({ name }, row) => void builder.addEarlier(name, { tree: other, row })),
    ],
    [
      false,
      (builder) => {
        for (const [row, { name }] of before.entries()) builder.addEarlier(name, { tree, row });
        builder.addSlot(asByteString("c")).fill(fileNode(asByteString("c")));
      },
    ],
  ];
  for (const [isSame, fill] of cases) {
    const { builder, root, trees } = open();
    builder.addDirectory(asByteString(""), nodes.directory(asByteString("root"), facts), earlier);
    fill(builder);
    builder.end();
    assert.equal(root()?.subtree === earlier.id, isSame);
    assert.equal(trees.size, isSame ? 0 : 1);
  }
});
