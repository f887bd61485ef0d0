import assert from "node:assert/strict";
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { asByteString, type ByteString } from "../../domain/byte-string.ts";
import type { Entry, StoredEntry } from "../../domain/entry.ts";
import { isBackupError, type ErrorKind } from "../../domain/error.ts";
import { removeTree } from "../../testing/remove-tree.ts";
import { compareTree } from "./compare-tree.ts";
import { openTreeWriter, type TreeReport, type TreeWriterOptions } from "./tree-writer.ts";
import { walkFolder } from "../folder/walk-folder.ts";

const signal = new AbortController().signal;

type Step = readonly [entry: StoredEntry, content?: string | readonly Uint8Array[]];

function makeStaging(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "tree-writer-"));
  t.after(() => removeTree(folder));
  const staging = join(folder, "staging");
  mkdirSync(staging, { mode: 0o700 });
  return staging;
}

function entryOf(path: string, more: Partial<StoredEntry> = {}): StoredEntry {
  return {
    root: "uploads",
    path: asByteString(path),
    kind: "file",
    mode: 0o644,
    uid: process.geteuid?.() ?? 0,
    gid: process.getegid?.() ?? 0,
    mtimeNs: 1_700_000_000_123_456_789n,
    ctimeNs: 0n,
    inode: 0n,
    sizeBytes: 0,
    ...more,
  };
}

function file(path: string, text: string, more: Partial<StoredEntry> = {}): Step {
  return [entryOf(path, { sizeBytes: text.length, ...more }), text];
}

function directory(path: string, mode = 0o755): Step {
  return [entryOf(path, { kind: "directory", mode })];
}

function link(path: string, target: string): Step {
  return [entryOf(path, { kind: "symlink", linkTarget: asByteString(target) })];
}

async function* chunksOf(content: string | readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  if (typeof content === "string") yield Buffer.from(content, "latin1");
  else yield* content;
}

async function writeAll(
  staging: string,
  steps: readonly Step[],
  options: Partial<TreeWriterOptions> = {},
): Promise<TreeReport> {
  const writer = openTreeWriter(staging, { trust: "own", maxTotalBytes: 1e9, ...options });
  for (const [entry, content] of steps) {
    await writer.write(entry, content === undefined ? undefined : chunksOf(content), signal);
  }
  return await writer.finish(signal);
}

async function assertRefused(
  t: TestContext,
  steps: readonly Step[],
  kind: ErrorKind,
  options: Partial<TreeWriterOptions> = {},
): Promise<void> {
  const staging = makeStaging(t);
  const what = steps.map(([entry]) => entry.path).join(", ");
  await assert.rejects(writeAll(staging, steps, options), (error) => isBackupError(error, kind), what);
  assert.equal(existsSync(join(staging, "../outside")), false);
  assert.equal(existsSync("/tmp/vertex-tree-writer-outside"), false);
}

test("TreeWriter writes files, folders and links with their modes and times", async (t) => {
  const staging = makeStaging(t);
  const report = await writeAll(staging, [
    directory("", 0o750),
    directory("a", 0o500),
    file("a/b.txt", "hello", { mode: 0o600 }),
    [entryOf("a/c.txt", { hardLinkTo: asByteString("a/b.txt") })],
    file("a/caf\xe9", "latin"),
    file("empty", ""),
    link("link", "/etc/passwd"),
  ]);
  assert.deepEqual(report, { files: 4, directories: 2, symlinks: 1, bytes: 10, ownersNotRestored: 0 });
  assert.equal(readFileSync(join(staging, "a/c.txt"), "utf8"), "hello");
  assert.equal(lstatSync(join(staging, "a/c.txt")).nlink, 2);
  assert.equal(readFileSync(Buffer.from(`${staging}/a/caf\xe9`, "latin1"), "utf8"), "latin");
  assert.equal(readlinkSync(join(staging, "link")), "/etc/passwd");
  const modes = ["", "a", "a/b.txt", "empty"].map((name) => lstatSync(join(staging, name)).mode & 0o7777);
  assert.deepEqual(modes, [0o750, 0o500, 0o600, 0o644]);
  for (const name of ["", "a", "a/b.txt", "empty", "link"]) {
    const { mtimeNs } = lstatSync(join(staging, name), { bigint: true });
    assert.equal(mtimeNs / 1000n, 1_700_000_000_123_456n, name);
  }
});

test("TreeWriter makes folders that no entry made, for a restore of some paths only", async (t) => {
  const staging = makeStaging(t);
  await writeAll(staging, [file("a/b/c.txt", "deep"), directory("a", 0o711), file("a/d.txt", "later")]);
  assert.equal(readFileSync(join(staging, "a/b/c.txt"), "utf8"), "deep");
  assert.equal(lstatSync(join(staging, "a")).mode & 0o777, 0o711);
});

test("TreeWriter writes nothing outside, whatever the archive says", async (t) => {
  const outside = "/tmp/vertex-tree-writer-outside";
  await assertRefused(t, [file("../outside", "x")], "unsafe");
  await assertRefused(t, [file(outside, "x")], "unsafe");
  await assertRefused(t, [file("a/../../outside", "x")], "unsafe");
  await assertRefused(t, [link("up", ".."), file("up/outside", "x")], "unsafe");
  await assertRefused(t, [link("up", ".."), directory("up/outside")], "unsafe");
  await assertRefused(t, [link("up", ".."), directory("up"), file("up/outside", "x")], "unsafe");
  await assertRefused(t, [link("f", "../outside"), file("f", "x")], "unsafe");
  await assertRefused(t, [directory("d"), link("d", ".."), file("d/outside", "x")], "unsafe");
  await assertRefused(
    t,
    [link("l", "/etc"), [entryOf("h", { hardLinkTo: asByteString("l/passwd") })]],
    "not-found",
  );
  await assertRefused(
    t,
    [link("l", "/etc/passwd"), [entryOf("h", { hardLinkTo: asByteString("l") })]],
    "unsafe",
  );
  await assertRefused(t, [[entryOf("h", { hardLinkTo: asByteString("../../etc/passwd") })]], "unsafe");
  await assertRefused(t, [[entryOf("", { kind: "symlink", linkTarget: asByteString("/etc") })]], "unsafe");
});

test("TreeWriter refuses links that lead out of foreign archives, and drops their set-id bits", async (t) => {
  await assertRefused(t, [link("l", "/etc")], "unsafe", { trust: "foreign" });
  await assertRefused(t, [link("l", "../x")], "unsafe", { trust: "foreign" });
  const staging = makeStaging(t);
  const program = file("program", "#!", { mode: 0o4755 });
  await writeAll(staging, [link("l", "program"), program], { trust: "foreign" });
  assert.equal(lstatSync(join(staging, "program")).mode & 0o7777, 0o755);
  const own = makeStaging(t);
  await writeAll(own, [program]);
  assert.equal(lstatSync(join(own, "program")).mode & 0o7777, 0o4755);
});

test("TreeWriter stops at bombs: more bytes than an entry says, or than there is room for", async (t) => {
  const block = Buffer.alloc(65_536);
  async function* endless(): AsyncGenerator<Uint8Array> {
    for (;;) yield block;
  }
  const writer = openTreeWriter(makeStaging(t), { trust: "own", maxTotalBytes: 1e6 });
  const lying = writer.write(entryOf("bomb", { sizeBytes: 100_000 }), endless(), signal);
  await assert.rejects(lying, (error) => isBackupError(error, "damaged"));
  await assertRefused(t, [file("a", "12345"), file("b", "123456")], "unsafe", { maxTotalBytes: 10 });
});

test("TreeWriter calls content of the wrong length damaged", async (t) => {
  await assertRefused(t, [[entryOf("short", { sizeBytes: 6 }), "hello"]], "damaged");
  await assertRefused(t, [[entryOf("none", { sizeBytes: 6 })]], "damaged");
  await assertRefused(t, [[entryOf("long", { sizeBytes: 4 }), "hello"]], "damaged");
});

test("TreeWriter makes a further name a file of its own when it is given content", async (t) => {
  const staging = makeStaging(t);
  const further = entryOf("b", { hardLinkTo: asByteString("a"), sizeBytes: 5 });
  await writeAll(staging, [[further, "bytes"]]);
  assert.equal(readFileSync(join(staging, "b"), "utf8"), "bytes");
});

test("TreeWriter leaves holes where a sparse file had them", async (t) => {
  const staging = makeStaging(t);
  const mebibyte = Buffer.alloc(1024 * 1024);
  const content = [...Array.from({ length: 8 }, () => mebibyte), Buffer.from("end")];
  await writeAll(staging, [[entryOf("disk.img", { sizeBytes: 8 * 1024 * 1024 + 3 }), content]]);
  const stats = lstatSync(join(staging, "disk.img"));
  assert.equal(stats.size, 8 * 1024 * 1024 + 3);
  assert.ok(stats.blocks * 512 < 1024 * 1024);
});

test("TreeWriter stops when it is cancelled, and leaves errors of the content as they are", async (t) => {
  const writer = openTreeWriter(makeStaging(t), { trust: "own", maxTotalBytes: 1e9 });
  await assert.rejects(writer.write(entryOf("a"), undefined, AbortSignal.abort()), { name: "AbortError" });
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield Buffer.from("x");
    throw new RangeError("from the vault");
  }
  await assert.rejects(writer.write(entryOf("b", { sizeBytes: 9 }), failing(), signal), RangeError);
});

test("TreeWriter gives what it makes in a set-group-id folder the group it had, and not the folder's", async (t) => {
  const own = process.getegid?.() ?? 0;
  const foreign = process.geteuid?.() === 0 ? 65533 : process.getgroups?.().find((gid) => gid !== own);
  const staging = makeStaging(t);
  chownSync(staging, -1, foreign ?? own);
  chmodSync(staging, 0o2700);
  const steps = [directory("a", 0o750), file("a/b.txt", "hello", { mode: 0o660 }), link("l", "a")];
  const { ownersNotRestored } = await writeAll(staging, steps);
  const groups = ["a", "a/b.txt", "l"].map((name) => lstatSync(join(staging, name)).gid);
  assert.deepEqual([groups, ownersNotRestored], [[own, own, own], 0]);
});

test("openTreeWriter() wants an empty folder that is private", (t) => {
  const staging = makeStaging(t);
  const options = { trust: "own", maxTotalBytes: 1 } as const;
  for (const bad of [join(staging, "missing"), staging]) {
    if (bad === staging) writeFileSync(join(staging, "file"), "");
    assert.throws(
      () => openTreeWriter(bad, options),
      (error) => isBackupError(error, "invalid-input"),
    );
  }
  rmSync(join(staging, "file"));
  openTreeWriter(staging, options);
  chmodSync(staging, 0o777);
  assert.throws(
    () => openTreeWriter(staging, options),
    (error) => isBackupError(error, "invalid-input"),
  );
});

test("TreeWriter writes trees of more than a thousand levels", async (t) => {
  const staging = makeStaging(t);
  const steps: Step[] = [];
  for (let depth = 1; depth <= 1200; depth++) steps.push(directory("d/".repeat(depth).slice(0, -1)));
  steps.push(file(`${"d/".repeat(1200)}deep`, "deep"));
  const report = await writeAll(staging, steps);
  assert.equal(report.directories, 1200);
  assert.equal(readFileSync(join(staging, "d/".repeat(1200), "deep"), "utf8"), "deep");
});

test("a tree that is walked and written again compares as the same", async (t) => {
  const [first, second] = [makeStaging(t), makeStaging(t)];
  await writeAll(first, [
    directory("", 0o755),
    directory("a", 0o700),
    file("a/b", "text", { mode: 0o4711 }),
    file("a-b", "more", { mtimeNs: -1_500_000n }),
    [entryOf("a-c", { hardLinkTo: asByteString("a/b") })],
    file("\xff", "bytes"),
    link("z", "../up"),
  ]);
  const walk = (path: string): AsyncGenerator<readonly Entry[]> => {
    const options = { excludes: [], oneFileSystem: false, excludeCaches: false, skip: new Set<ByteString>() };
    return walkFolder({ root: { name: "uploads", path }, ...options }, () => assert.fail(), signal);
  };
  const entries = (await Array.fromAsync(walk(first))).flat();
  await writeAll(
    second,
    entries.map((entry) => {
      const path = entry.content?.from === "path" ? entry.content.path : undefined;
      return path === undefined ? [entry] : [entry, [readFileSync(Buffer.from(path, "latin1"))]];
    }),
  );
  const changes = await Array.fromAsync(compareTree(inOrder(entries), walk(second), 0, signal));
  assert.deepEqual(
    changes.map(({ change }) => change),
    entries.map(() => "none"),
  );
  assert.equal(entries.length, 7);
});

async function* inOrder(entries: readonly Entry[]): AsyncGenerator<StoredEntry> {
  yield* entries;
}
