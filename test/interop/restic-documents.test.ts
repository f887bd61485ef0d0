import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { zstdDecompressSync } from "node:zlib";
import { asByteString } from "../../src/domain/byte-string.ts";
import { encodeConfig, parseConfig } from "../../src/format/restic/config.ts";
import { openBox } from "../../src/format/restic/crypto-box.ts";
import { encodeIndex, parseIndex } from "../../src/format/restic/index-file.ts";
import { openKeyFile, parseKeyFile } from "../../src/format/restic/keys.ts";
import type { IndexedPack, MasterKey, NodeType, TreeNode } from "../../src/format/restic/model.ts";
import { encodePackHeader, parsePackHeader } from "../../src/format/restic/pack-header.ts";
import { encodeSnapshot, parseSnapshot } from "../../src/format/restic/snapshot.ts";
import { encodeTree, parseTree } from "../../src/format/restic/tree.ts";

const work = mkdtempSync(join(tmpdir(), "vertex-backup-restic-"));
const zone = process.env["TZ"];
after(() => {
  rmSync(work, { recursive: true });
  setZone(zone);
});

function setZone(name: string | undefined): void {
  if (name === undefined) delete process.env["TZ"];
  else process.env["TZ"] = name;
}

/** Names whose escapes are the same in every restic: no characters that only some versions of Unicode know. */
const textNames: readonly string[] = [
  ...[
    "plain.txt",
    'quo"te',
    "back\\slash",
    "a<b>&c",
    "tab\there",
    "nl\nx",
    "cr\rx",
    "bell\x07",
    "\x01ctl",
    "\x1besc",
  ],
  ...[
    "del\x7f",
    "\v\f\b",
    "sep\u2028x\u2029",
    "nbsp\u00a0",
    "soft\u00ad",
    "zwj👨‍👩‍👧",
    "é",
    "e\u0301",
    "日本語",
    "😀",
  ],
  ...[
    "pua\ue000",
    "\u0085",
    "\ufffd",
    "ideo\u3000sp",
    "\u{10ffff}",
    "\ufeffbom",
    " ",
    "'",
    "`",
    "x".repeat(255),
  ],
];
const rawNames: readonly string[] = [
  "b\xff\xfe",
  "\xed\xa0\x80",
  "\xc0\x80",
  "\xf0\x9f\x98",
  "\xe2\x80A",
  "\xf4\x90\x80\x80",
];
const names: readonly Buffer[] = [...textNames.map((text) => Buffer.from(text)), ...rawNames.map(latin1)];

/** Seconds; some around changes of the clock. Before 1970 too, but not before zones had whole minutes. */
const times: readonly number[] = [
  ...[0, 1.5, -1.5, 1_000_000_000.123456, -300_000_000.25, 4_102_444_800, 15_032_385_535, 2_147_483_648.75],
  ...[1_711_846_799.999, 1_711_846_800, 1_729_990_799.5, 1_729_990_800, 951_782_400],
];

function latin1(text: string): Buffer {
  return Buffer.from(text, "latin1");
}

function at(directory: string, name: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${directory}/`), name]);
}

function makeSample(directory: string): void {
  mkdirSync(directory);
  for (const [index, name] of names.entries()) writeFileSync(at(directory, name), "x".repeat(index % 3));
  for (const mode of [0, 0o600, 0o777, 0o4755, 0o2644, 0o7777]) {
    writeFileSync(join(directory, `mode-${mode.toString(8)}`), "x");
    chmodSync(join(directory, `mode-${mode.toString(8)}`), mode);
    mkdirSync(join(directory, `dir-${mode.toString(8)}`));
    chmodSync(join(directory, `dir-${mode.toString(8)}`), mode | 0o500);
  }
  linkSync(join(directory, "plain.txt"), join(directory, "hard link"));
  symlinkSync("plain.txt", join(directory, "link"));
  symlinkSync('t <&>\u2028\x01\x7f\té"\\', join(directory, "odd link"));
  execFileSync("mkfifo", [join(directory, "fifo")]);
  for (const [index, name] of readdirSync(directory, { encoding: "buffer" }).entries()) {
    const seconds = times[index % times.length] ?? 0;
    lutimesSync(at(directory, name), seconds, seconds);
  }
}

/** Runs restic on a repository of its own in `work`. */
class Restic {
  readonly repository: string;
  readonly #zone: string;

  constructor(name: string, timeZone: string, version: number) {
    this.repository = join(work, name);
    this.#zone = timeZone;
    this.run("init", "--repository-version", String(version));
  }

  run(...args: readonly string[]): Buffer {
    const env = {
      ...process.env,
      TZ: this.#zone,
      RESTIC_PASSWORD: "x",
      RESTIC_CACHE_DIR: join(work, "cache"),
    };
    return execFileSync("restic", ["-r", this.repository, ...args], { env, maxBuffer: 1 << 26 });
  }

  /** The bytes of the tree of a directory in the only snapshot, and of all its ancestors. */
  trees(path: string): readonly Buffer[] {
    const [snapshot] = JSON.parse(this.run("snapshots", "--json").toString());
    const trees = [this.run("cat", "blob", snapshot.tree)];
    for (const name of path.split("/").slice(1)) {
      const subtree = parseTree(trees.at(-1) ?? Buffer.alloc(0)).find((node) => node.name === name)?.subtree;
      assert.ok(subtree !== undefined);
      trees.push(this.run("cat", "blob", subtree));
    }
    return trees;
  }

  async key(): Promise<MasterKey> {
    const folder = join(this.repository, "keys");
    const [name = ""] = readdirSync(folder);
    const key = await openKeyFile(parseKeyFile(readFileSync(join(folder, name))), "x");
    assert.ok(key !== undefined);
    return key;
  }
}

function namesById(path: string): ReadonlyMap<number, string> {
  const lines = readFileSync(path, "utf8").trim().split("\n");
  return new Map(lines.map((line) => line.split(":")).map(([name = "", , id]) => [Number(id), name]));
}

const types = new Map<number, NodeType>([
  [0o100000, "file"],
  [0o040000, "dir"],
  [0o120000, "symlink"],
  [0o010000, "fifo"],
]);

/** The node of a file as the file system describes it; what only its content can say is taken from `stored`. */
function nodeOf(directory: string, stored: TreeNode): TreeNode {
  const path = at(directory, latin1(stored.name));
  const stat = lstatSync(path, { bigint: true });
  const type = types.get(Number(stat.mode) & 0o170000);
  assert.ok(type !== undefined);
  return {
    name: stored.name,
    type,
    mode: Number(stat.mode) & 0o7777,
    mtimeNs: stat.mtimeNs,
    atimeNs: stat.mtimeNs,
    ctimeNs: stat.ctimeNs,
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    user: namesById("/etc/passwd").get(Number(stat.uid)) ?? "",
    group: namesById("/etc/group").get(Number(stat.gid)) ?? "",
    inode: stat.ino,
    deviceId: stat.dev,
    // restic counts the links of files and symbolic links only.
    links: type === "file" || type === "symlink" ? Number(stat.nlink) : 0,
    sizeBytes: type === "file" ? Number(stat.size) : 0,
    ...(type === "symlink" ? { linkTarget: asByteString(readlinkSync(path, "latin1")) } : {}),
    ...(stored.content === undefined ? {} : { content: stored.content }),
    ...(stored.subtree === undefined ? {} : { subtree: stored.subtree }),
  };
}

for (const name of ["UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kolkata"]) {
  test(`trees are byte for byte restic's in the time zone ${name}`, () => {
    const sample = join(work, `sample-${name.replace("/", "-")}`);
    makeSample(sample);
    const restic = new Restic(`trees-${name.replace("/", "-")}`, name, 2);
    restic.run("backup", "-q", sample);
    setZone(name);
    const trees = restic.trees(sample);
    for (const bytes of trees) assert.deepEqual(encodeTree(parseTree(bytes)).toString(), bytes.toString());
    const bytes = trees.at(-1) ?? Buffer.alloc(0);
    const nodes = parseTree(bytes);
    const entries = readdirSync(sample, { encoding: "latin1" }).sort((a, b) => (a < b ? -1 : 1));
    assert.deepEqual(
      nodes.map((node) => String(node.name)),
      entries,
    );
    assert.equal(
      encodeTree(nodes.map((node) => nodeOf(sample, node))).toString("latin1"),
      bytes.toString("latin1"),
    );
  });
}

for (const version of [1, 2]) {
  test(`config, snapshots, indexes and pack headers are byte for byte restic's in format ${version}`, async () => {
    const folder = join(work, `documents-${version}`);
    mkdirSync(folder);
    writeFileSync(join(folder, "a"), "text ".repeat(1000));
    const restic = new Restic(`documents-repository-${version}`, "Europe/Berlin", version);
    const about = ["--tag", "a,<b>", "--exclude", "*.é", "--host", 'hö"st'];
    restic.run("backup", "-q", ...about, folder);
    restic.run("backup", "-q", "--force", folder);
    const key = await restic.key();
    const read = (name: string): Buffer => {
      const plain = openBox(key, readFileSync(join(restic.repository, name)));
      return plain[0] === 2 ? zstdDecompressSync(plain.subarray(1)) : plain;
    };
    const list = (kind: string): readonly Buffer[] =>
      readdirSync(join(restic.repository, kind)).map((name) => read(join(kind, name)));

    assert.equal(encodeConfig(parseConfig(read("config"))).toString(), read("config").toString());
    for (const bytes of list("snapshots")) {
      assert.equal(encodeSnapshot(parseSnapshot(bytes)).toString(), bytes.toString());
    }
    const packs: IndexedPack[] = [];
    for (const bytes of list("index")) {
      const some: IndexedPack[] = [];
      parseIndex(bytes, (pack) => some.push(pack));
      assert.equal(encodeIndex(some).toString(), bytes.toString());
      packs.push(...some);
    }
    assert.ok(packs.length >= 2);
    for (const { id, blobs } of packs) {
      const pack = readFileSync(join(restic.repository, "data", id.slice(0, 2), id));
      const header = openBox(key, pack.subarray(-4 - pack.readUInt32LE(pack.length - 4), -4));
      assert.deepEqual(
        parsePackHeader(header),
        blobs.toSorted((a, b) => a.offset - b.offset),
      );
      assert.ok(encodePackHeader(parsePackHeader(header)).equals(header));
    }
  });
}
