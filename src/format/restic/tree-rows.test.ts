import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, test } from "node:test";
import { asByteString, type ByteString } from "../../domain/byte-string.ts";
import { fc } from "../../testing/properties.ts";
import type { TreeNode } from "./model.ts";
import { encodeNode } from "./node.ts";
import { encodeTree, encodeTreeOfNodes, parseTree } from "./tree.ts";
import { TreeRows } from "./tree-rows.ts";

const zone = process.env["TZ"];
after(() => setZone(zone));

function setZone(name: string | undefined): void {
  if (name === undefined) delete process.env["TZ"];
  else process.env["TZ"] = name;
}

const zones = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu"];

const hexId = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((bytes) => Buffer.from(bytes).toString("hex"));
const uint64 = fc.bigInt({ min: 0n, max: 18_446_744_073_709_551_615n });
const usualTime = fc.oneof(
  fc.bigInt({ min: 0n, max: 4_294_967_295_999_999_999n }),
  fc.bigInt({ min: 0n, max: 4_200_000_000n }).map((seconds) => seconds * 1_000_000_000n),
  // Days around those on which clocks change, and fractions with zeros at either end.
  fc.constantFrom(0n, 1_761_440_400_000_000_001n, 1_761_444_000_500_000_000n, 1_743_296_399_000_010_000n),
);

function nameOf(unit: fc.Arbitrary<string>): fc.Arbitrary<ByteString> {
  return fc
    .string({ minLength: 1, maxLength: 20, unit })
    .map((text) => asByteString(text.replace(/[/\0]/g, "_")))
    .filter((text) => text !== "." && text !== "..");
}

const usualName = nameOf(
  fc.constantFrom(..."abcXYZ019 -_.,~é\xc3\xff".split("")).filter((one) => one < "\x7f"),
);
const anyByte = fc.nat(255).map((code) => String.fromCharCode(code));

interface Kinds {
  readonly name: fc.Arbitrary<ByteString>;
  readonly time: fc.Arbitrary<bigint>;
  readonly text: fc.Arbitrary<string>;
  readonly target: fc.Arbitrary<ByteString>;
  readonly size: fc.Arbitrary<number>;
}

const usual: Kinds = {
  name: usualName,
  time: usualTime,
  text: fc.constantFrom("", "root", "www-data", "o'neill"),
  target: usualName,
  size: fc.nat(),
};

const hostile: Kinds = {
  name: nameOf(anyByte),
  time: fc.bigInt({ min: -9_223_372_036_854_775_808n, max: 9_223_372_036_854_775_807n }),
  text: fc.string(),
  target: nameOf(anyByte),
  size: fc.maxSafeNat(),
};

function nodeOf({ name, time, text, target, size }: Kinds): fc.Arbitrary<TreeNode> {
  const common = fc.record({
    name,
    mode: fc.nat(0o7777),
    mtimeNs: time,
    atimeNs: time,
    ctimeNs: time,
    uid: fc.oneof(fc.constant(0), fc.nat(0xffff_ffff)),
    gid: fc.oneof(fc.constant(0), fc.nat(0xffff_ffff)),
    user: text,
    group: text,
    inode: uint64,
    deviceId: uint64,
    links: fc.nat(3),
    sameAccess: fc.boolean(),
  });
  const rest = fc.oneof(
    fc.record({
      type: fc.constant("file" as const),
      sizeBytes: size,
      content: fc.array(hexId, { maxLength: 3 }),
    }),
    fc.record({ type: fc.constant("file" as const), sizeBytes: size }),
    fc.record({ type: fc.constant("dir" as const), sizeBytes: fc.constant(0), subtree: hexId }),
    fc.record({ type: fc.constant("symlink" as const), sizeBytes: fc.constant(0), linkTarget: target }),
  );
  return fc.tuple(common, rest).map(([{ sameAccess, ...one }, other]) => {
    return { ...one, ...other, ...(sameAccess ? { atimeNs: one.mtimeNs } : {}) };
  });
}

function treeOf(kinds: Kinds): fc.Arbitrary<readonly TreeNode[]> {
  return fc
    .uniqueArray(nodeOf(kinds), { maxLength: 6, selector: ({ name }) => name })
    .map((nodes) => nodes.sort((a, b) => (a.name < b.name ? -1 : 1)));
}

/** Tells whether the scan had an answer, after comparing it with what `parseTree` says. */
function agrees(bytes: Uint8Array): boolean {
  const rows = TreeRows.scan(bytes);
  if (rows === undefined) return false;
  // It throws where the tree is damaged, which the scan should have refused.
  const nodes = parseTree(bytes);
  assert.equal(rows.count, nodes.length);
  for (const [row, node] of nodes.entries()) {
    assert.deepEqual(rows.nodeAt(row), node);
    assert.deepEqual(plainOf(rows, row), {
      name: node.name,
      isFile: node.type === "file",
      mode: node.mode,
      sizeBytes: node.sizeBytes,
      links: node.links,
      owner: { uid: node.uid, gid: node.gid, user: node.user, group: node.group },
      mtimeNs: node.mtimeNs,
      ctimeNs: node.ctimeNs,
      inode: node.inode,
      deviceId: node.deviceId,
      content: node.content,
      subtree: node.type === "dir" ? node.subtree : undefined,
    });
    if (rows.accessFollows(row)) assert.equal(node.atimeNs, node.mtimeNs);
  }
  return true;
}

function plainOf(rows: TreeRows, row: number): object {
  const ids = rows.ids.subarray(rows.idsAt(row), rows.idsAt(row) + 32 * Math.max(0, rows.idCountAt(row)));
  const content = (Buffer.from(ids).toString("hex").match(/.{64}/g) ?? []).map(String);
  return {
    name: rows.nameAt(row),
    isFile: rows.isFile(row),
    mode: rows.modeAt(row),
    sizeBytes: rows.sizeBytesAt(row),
    links: rows.linksAt(row),
    owner: rows.ownerAt(row),
    mtimeNs: rows.mtimeNsAt(row),
    ctimeNs: rows.ctimeNsAt(row),
    inode: rows.inodeAt(row),
    deviceId: rows.deviceIdAt(row),
    content: rows.idCountAt(row) < 0 ? undefined : content,
    subtree: rows.subtreeAt(row),
  };
}

test("TreeRows.scan() reads every usual tree, in any zone, as parseTree() does", () => {
  fc.assert(
    fc.property(treeOf(usual), fc.constantFrom(...zones), (nodes, name) => {
      setZone(name);
      assert.ok(agrees(encodeTree(nodes)));
    }),
    { numRuns: 300 },
  );
});

test("TreeRows.scan() reads hostile names, texts, times and numbers as parseTree() does, or not at all", () => {
  fc.assert(
    fc.property(treeOf(hostile), fc.constantFrom(...zones), (nodes, name) => {
      setZone(name);
      agrees(encodeTree(nodes));
    }),
    { numRuns: 300 },
  );
});

test("TreeRows.scan() has no answer for a tree that was changed, unless parseTree() has the same", () => {
  setZone("UTC");
  const change = fc.record({
    at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    removed: fc.nat(3),
    inserted: fc.constantFrom(
      "",
      "0",
      "9",
      "x",
      '"',
      ",",
      "{",
      "}",
      "[",
      "]",
      " ",
      "\\",
      "/",
      ".",
      "-",
      "\xff",
      "null",
    ),
  });
  const seen = { read: 0, refused: 0 };
  fc.assert(
    fc.property(treeOf(usual), change, (nodes, { at, removed, inserted }) => {
      const text = encodeTree(nodes).toString("latin1");
      const place = Math.floor(at * text.length);
      const changed = `${text.slice(0, place)}${inserted}${text.slice(place + removed)}`;
      seen[agrees(Buffer.from(changed, "latin1")) ? "read" : "refused"]++;
    }),
    { numRuns: 3000 },
  );
  assert.ok(seen.read > 0 && seen.refused > 0, JSON.stringify(seen));
});

test("TreeRows.scan() reads restic's own trees node by node as parseTree() does, or not at all", () => {
  for (const [name, place] of [
    ["names", "Europe/Berlin"],
    ["kinds", "America/New_York"],
  ] as const) {
    setZone(place);
    const nodes = parseTree(readFileSync(new URL(`testdata/${name}.tree`, import.meta.url)));
    const read = nodes.filter((node) => agrees(encodeTree([node])));
    assert.ok(read.length > 0 && read.length < nodes.length, `${read.length} of ${nodes.length}`);
  }
});

test("TreeRows.scan() has no answer for what is unusual or damaged", () => {
  setZone("UTC");
  const id = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
  const node: TreeNode = {
    ...{
      name: asByteString("a"),
      type: "file",
      mode: 0o644,
      mtimeNs: 1n,
      atimeNs: 1n,
      ctimeNs: 2n,
      uid: 0,
      gid: 0,
    },
    ...{ user: "root", group: "root", inode: 5n, deviceId: 6n, links: 1, sizeBytes: 1, content: [id] },
  };
  const text = encodeNode(node);
  const scan = (...texts: readonly string[]): TreeRows | undefined => TreeRows.scan(encodeTreeOfNodes(texts));
  assert.equal(scan(text)?.count, 1);
  assert.equal(TreeRows.scan(Buffer.from('{"nodes":[]}\n'))?.count, 0);
  const wrong: readonly (readonly string[])[] = [
    [text, text],
    [text.replace('"a"', '"b"'), text],
    [text.replace('"a"', '"a/b"')],
    [text.replace('"a"', '".."')],
    [text.replace('"a"', '""')],
    [text.replace('"a"', '"\\u0061"')],
    [text.replace("1970-01-01T", "1970-02-30T")],
    [text.replace("1970-01-01T", "1969-12-31T")],
    [text.replace("1970-01-01T", "2300-12-31T")],
    [text.replace("Z", "+25:00")],
    [text.replace('"size":1', '"size":01')],
    [text.replace('"size":1', '"size":9007199254740993')],
    [text.replace('"inode":5', '"inode":18446744073709551616')],
    [text.replace('"uid":0', '"uid":4294967296')],
    [text.replace(id, id.toUpperCase())],
    [text.replace(`"${id}"`, `"${id}",`)],
    [text.replace('"content"', '"extended_attributes":[],"content"')],
    [text.replace('"content"', '"contents"')],
    [text.replace('"type":"file"', '"type":"fifo"')],
    [text.replace("]}", '],"later":1}')],
    [`${text} `],
  ];
  for (const texts of wrong) {
    assert.notDeepEqual(texts, [text]);
    assert.equal(scan(...texts), undefined, texts.join());
  }
});
