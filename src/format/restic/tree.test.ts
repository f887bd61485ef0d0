import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, test } from "node:test";
import { asByteString, byteStringFromText } from "../../domain/byte-string.ts";
import { isBackupError } from "../../domain/error.ts";
import { fuzzDecoder } from "../../testing/fuzz-decoder.ts";
import { fc } from "../../testing/properties.ts";
import type { TreeNode } from "./model.ts";
import { encodeNode } from "./node.ts";
import { encodeTree, encodeTreeOfNodes, parseTree } from "./tree.ts";

const zone = process.env["TZ"];
after(() => setZone(zone));

function setZone(name: string | undefined): void {
  if (name === undefined) delete process.env["TZ"];
  else process.env["TZ"] = name;
}

function fixture(name: string): Buffer {
  return readFileSync(new URL(`testdata/${name}.tree`, import.meta.url));
}

const id = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";

const file: TreeNode = {
  name: asByteString("a"),
  type: "file",
  mode: 0o644,
  mtimeNs: 1n,
  atimeNs: 1n,
  ctimeNs: 2n,
  uid: 0,
  gid: 0,
  user: "root",
  group: "root",
  inode: 18_446_744_073_709_551_615n,
  deviceId: 9_007_199_254_740_993n,
  links: 1,
  sizeBytes: 1,
  content: [id],
};

function parseNodes(...nodes: readonly string[]): readonly TreeNode[] {
  return parseTree(Buffer.from(`{"nodes":[${nodes.join(",")}]}\n`));
}

function assertDamaged(...nodes: readonly string[]): void {
  assert.throws(
    () => parseNodes(...nodes),
    (error) => isBackupError(error, "damaged"),
    nodes.join(),
  );
}

test("a tree of restic's with every kind of name is read and written again byte for byte", () => {
  setZone("Europe/Berlin");
  const bytes = fixture("names");
  const nodes = parseTree(bytes);
  assert.ok(encodeTree(nodes).equals(bytes));
  const names = new Set<string>(nodes.map((node) => node.name));
  for (const name of [
    'quo"te',
    "back\\slash",
    "a<b>&c",
    "tab\there",
    "nl\nx",
    "\v\f\b",
    "b\xff\xfe",
    "\xed\xa0\x80",
  ]) {
    assert.ok(names.has(name), name);
  }
  for (const name of ["sep\u2028x\u2029", "zwj👨‍👩‍👧", "\ufffd", "\u{10ffff}", "soft\u00ad"]) {
    assert.ok(names.has(byteStringFromText(name)), name);
  }
});

test("a tree of restic's with every kind of node is read and written again byte for byte", () => {
  setZone("America/New_York");
  const bytes = fixture("kinds");
  const nodes = new Map(parseTree(bytes).map((node) => [node.name as string, node]));
  assert.ok(encodeTree(nodes.values()).equals(bytes));
  assert.equal(nodes.get("all")?.mode, 0o7777);
  assert.equal(nodes.get("mode0")?.mode, 0);
  assert.equal(nodes.get("sgiddir")?.mode, 0o2750);
  assert.equal(nodes.get("blk")?.type, "dev");
  assert.equal(nodes.get("blk")?.others?.get("device"), "1992");
  assert.equal(nodes.get("null")?.type, "chardev");
  assert.equal(nodes.get("fifo")?.type, "fifo");
  assert.equal(nodes.get("link-odd")?.linkTarget, byteStringFromText('t <&>\u2028\x01\x7f\té"\\'));
  assert.equal(nodes.get("nobody-knows")?.gid, 4_294_967_294);
  assert.equal(nodes.get("large")?.content?.length, 3);
  assert.equal(nodes.get("large")?.mtimeNs, 15_032_385_535_000_000_000n);
  assert.deepEqual(nodes.get("empty")?.content, []);
  assert.match(nodes.get("xattr")?.others?.get("extended_attributes") ?? "", /user\.note/);
});

test("a tree of another zone keeps its instants", () => {
  setZone("Asia/Kathmandu");
  const nodes = parseTree(fixture("kinds"));
  assert.deepEqual(parseTree(encodeTree(nodes)), nodes);
});

test("an empty tree is the bytes restic writes", () => {
  assert.equal(encodeTree([]).toString(), '{"nodes":[]}\n');
  assert.deepEqual(parseTree(Buffer.from('{"nodes":[]}\n')), []);
});

test("a tree of nodes that are encoded already is the same tree", () => {
  const nodes = [file, { ...file, name: asByteString("b") }];
  assert.ok(encodeTreeOfNodes(nodes.map(encodeNode)).equals(encodeTree(nodes)));
});

test("a node keeps what it says, numbers of 64 bits included", () => {
  const name = fc
    .uint8Array({ minLength: 1, maxLength: 20 })
    .map((bytes) => asByteString(Buffer.from(bytes).toString("latin1").replace(/[/\0]/g, "_")))
    .filter((text) => text !== "." && text !== "..");
  const uint64 = fc.bigInt({ min: 0n, max: 18_446_744_073_709_551_615n });
  const timeNs = fc.bigInt({ min: -9_223_372_036_854_775_808n, max: 9_223_372_036_854_775_807n });
  const node = fc.record(
    {
      name,
      type: fc.constantFrom("file", "symlink", "socket", "irregular"),
      mode: fc.nat(0o7777),
      mtimeNs: timeNs,
      atimeNs: timeNs,
      ctimeNs: timeNs,
      uid: fc.nat(0xffff_ffff),
      gid: fc.nat(0xffff_ffff),
      user: fc.string(),
      group: fc.string(),
      inode: uint64,
      deviceId: uint64,
      links: fc.nat(),
      sizeBytes: fc.maxSafeNat(),
      linkTarget: name,
      content: fc.array(fc.constant(id), { maxLength: 3 }),
      subtree: fc.constant(id),
      others: fc.constant(
        new Map([
          ["error", '"x"'],
          ["new_field", '{"a":[1,18446744073709551615]}'],
        ]),
      ),
    },
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(node, (one) => assert.deepEqual(parseTree(encodeTree([one])), [one])),
    { numRuns: 500 },
  );
});

test("a target that is not UTF-8 is kept as it is", () => {
  const link: TreeNode = { ...file, type: "symlink", linkTarget: asByteString("a\xff\xc3\xa9") };
  const text = encodeNode(link);
  assert.ok(text.includes(',"linktarget":"a\\ufffd\xc3\xa9","linktarget_raw":"Yf/DqQ==","content"'), text);
  assert.equal(parseTree(encodeTree([link]))[0]?.linkTarget, link.linkTarget);
});

test("fields that are absent, null, in another order or unknown do not hinder reading", () => {
  const [node] = parseNodes(
    ` { "zz" : {"a":[1, 2]}, "content":null,"type" : "dir", "error":null,"subtree":"${id}","name":"x","user":null } `,
  );
  assert.equal(node?.name, "x");
  assert.equal(node?.subtree, id);
  assert.equal(node?.content, undefined);
  assert.equal(node?.inode, 0n);
  assert.deepEqual(
    [...(node?.others ?? [])],
    [
      ["zz", '{"a":[1, 2]}'],
      ["error", "null"],
    ],
  );
});

test("names that lead elsewhere, come twice or are out of order are damage", () => {
  for (const name of [
    "",
    ".",
    "..",
    "/",
    "a/b",
    "\\\\x00",
    "a\\\\x2fb",
    "\\\\q",
    "\\\\u2f",
    "x".repeat(4097),
  ]) {
    assertDamaged(`{"name":"${name}","type":"file"}`);
  }
  assertDamaged('{"type":"file"}');
  assertDamaged('{"name":"a","type":"file"}', '{"name":"a","type":"file"}');
  assertDamaged('{"name":"b","type":"file"}', '{"name":"a","type":"file"}');
  // Bytes decide, not characters: U+FFFF is above U+10000 in JavaScript and below it in UTF-8.
  assert.equal(parseNodes('{"name":"\uffee","type":"file"}', '{"name":"\u{10000}","type":"file"}').length, 2);
  assertDamaged('{"name":"\u{10000}","type":"file"}', '{"name":"\uffee","type":"file"}');
});

test("values that no node can have are damage", () => {
  const wrong = [
    ...[
      '"type":"door"',
      '"type":1',
      '"uid":4294967296',
      '"uid":-1',
      '"uid":1.5',
      '"uid":1e3',
      '"uid":01',
      '"uid":"1"',
    ],
    ...[
      '"inode":18446744073709551616',
      `"inode":${"9".repeat(5000)}`,
      '"size":9007199254740992',
      '"mode":4294967296',
    ],
    ...[
      '"mtime":"yesterday"',
      '"content":{}',
      '"content":["x"]',
      `"content":["${id.toUpperCase()}"]`,
      '"subtree":"x"',
    ],
    ...[
      '"linktarget_raw":"?"',
      `"linktarget_raw":"${"A".repeat(65_540)}"`,
      '"new":[1,]',
      '"new":nul',
      '"user":"\n"',
    ],
    ...[`"new":${"[".repeat(65)}${"]".repeat(65)}`, '"new":"\\x"', '"user":"\\x"', '"new":"'],
  ];
  for (const field of wrong) assertDamaged(`{"name":"a","type":"file",${field}}`);
  assertDamaged("null");
  assertDamaged('{"name":"a"}');
  for (const text of ["", "{}", "[]", '{"nodes":[]', '{"nodes":[]}x', '{"nodes":[,]}', '{"nodes":7}']) {
    assert.throws(
      () => parseTree(Buffer.from(text)),
      (error) => isBackupError(error, "damaged"),
      text,
    );
  }
});

test("a tree is never written with names out of order", () => {
  assert.throws(() => encodeTree([file, file]), RangeError);
});

test("a tree of noise or a spoiled one is damaged or read, nothing else", () => {
  assert.ok(fuzzDecoder(parseTree, [fixture("names"), fixture("kinds"), encodeTree([file])]) > 500);
});
