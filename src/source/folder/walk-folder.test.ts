import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { Problem } from "../../domain/backup.ts";
import { asByteString, byteStringFromText, byteStringToPath } from "../../domain/byte-string.ts";
import { compareEntryPaths, type Entry } from "../../domain/entry.ts";
import { isBackupError } from "../../domain/error.ts";
import { fc } from "../../testing/properties.ts";
import { walkFolderAside } from "./walk-aside.ts";
import { realBytePath, type WalkOptions, walkFolder } from "./walk-folder.ts";

const signal = new AbortController().signal;

function makeRoot(t: TestContext): string {
  const root = mkdtempSync(join(tmpdir(), "walk-folder-"));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  return root;
}

function optionsFor(path: string, more: Partial<WalkOptions> = {}): WalkOptions {
  const root = { name: "uploads", path };
  return { root, excludes: [], oneFileSystem: false, excludeCaches: false, skip: new Set(), ...more };
}

async function walk(path: string, more: Partial<WalkOptions> = {}): Promise<[Entry[], Problem[]]> {
  const problems: Problem[] = [];
  const batches = await Array.fromAsync(
    walkFolder(optionsFor(path, more), (problem) => problems.push(problem), signal),
  );
  for (const batch of batches) assert.ok(batch.length > 0 && batch.length <= 512);
  return [batches.flat(), problems];
}

function paths(entries: readonly Entry[]): string[] {
  return entries.map((entry) => entry.path);
}

test("walkFolder() yields directories before their content and siblings in byte order", async (t) => {
  const root = makeRoot(t);
  for (const directory of ["a", "a-b", "a/z"]) mkdirSync(join(root, directory), { recursive: true });
  for (const file of ["a/x", "a-b/y", "a.txt", "B", "a/z/1"]) writeFileSync(join(root, file), file);
  const [entries, problems] = await walk(root);
  assert.deepEqual(paths(entries), ["", "B", "a", "a/x", "a/z", "a/z/1", "a-b", "a-b/y", "a.txt"]);
  assert.deepEqual(problems, []);
  assert.equal(entries[1]?.sizeBytes, 1);
  assert.deepEqual(entries[1]?.content, { from: "path", path: realBytePath(join(root, "B")) });
});

test("walkFolder() and walkFolderAside() agree on folders that end where a batch does", async (t) => {
  const root = makeRoot(t);
  for (let file = 0; file < 511; file++) writeFileSync(join(root, `${file}.jpg`), "");
  const [entries] = await walk(root);
  assert.equal(entries.length, 512);
  const report = (problem: Problem): void => assert.fail(problem.message);
  const aside = await Array.fromAsync(walkFolderAside(optionsFor(root), report, signal));
  assert.deepEqual(aside.flat(), entries);
});

test("walkFolder() keeps the order of compareEntryPaths for any names, ten thousand files included", async (t) => {
  const root = makeRoot(t);
  for (let folder = 0; folder < 100; folder++) {
    mkdirSync(join(root, `f${folder * 37}`));
    for (let file = 0; file < 100; file++)
      writeFileSync(join(root, `f${folder * 37}/${file * 7919}.jpg`), "");
  }
  const [many] = await walk(root);
  assert.equal(many.length, 10_101);
  const inOrder = paths(many).toSorted((a, b) => compareEntryPaths(asByteString(a), asByteString(b)));
  assert.deepEqual(paths(many), inOrder);

  // Bytes 1 to 255 but "/", so most names are not UTF-8; "." and "-" sort below and above it.
  const name = fc
    .array(fc.integer({ min: 1, max: 255 }), { minLength: 1, maxLength: 3 })
    .map((bytes) => Buffer.from(bytes.map((byte) => (byte === 47 ? 45 : byte))).toString("latin1"))
    .filter((text) => text !== "." && text !== "..");
  const tree = fc.array(fc.array(name, { minLength: 1, maxLength: 3 }), { maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(tree, async (branches) => {
      const folder = makeRoot(t);
      for (const branch of branches) makeBranch(folder, branch);
      const [entries] = await walk(folder);
      const sorted = paths(entries).toSorted((a, b) => compareEntryPaths(asByteString(a), asByteString(b)));
      assert.deepEqual(paths(entries), sorted);
    }),
    { numRuns: 40 },
  );
});

function makeBranch(root: string, names: readonly string[]): void {
  const path = byteStringToPath(asByteString(`${root}/${names.join("/")}`));
  mkdirSync(path, { recursive: true });
}

test("walkFolder() keeps every byte of names that are not UTF-8", async (t) => {
  const root = makeRoot(t);
  const name = asByteString("caf\xe9\xff.jpg");
  writeFileSync(byteStringToPath(asByteString(`${root}/${name}`)), "bytes");
  symlinkSync(Buffer.from("to-\xfe", "latin1"), join(root, "link"));
  writeFileSync(join(root, "müsli"), "text");
  const [entries, problems] = await walk(root);
  assert.deepEqual(paths(entries), ["", name, "link", byteStringFromText("müsli")]);
  assert.equal(entries[2]?.linkTarget, "to-\xfe");
  assert.deepEqual(problems, []);
});

test("walkFolder() gives content to the first name of a file and the rest point to it", async (t) => {
  const root = makeRoot(t);
  mkdirSync(join(root, "b"));
  writeFileSync(join(root, "b/first"), "shared");
  linkSync(join(root, "b/first"), join(root, "c"));
  linkSync(join(root, "b/first"), join(root, "d"));
  const [entries] = await walk(root);
  const [, , first, second, third] = entries;
  assert.equal(first?.path, "b/first");
  assert.equal(first?.sizeBytes, 6);
  for (const other of [second, third]) {
    assert.equal(other?.hardLinkTo, "b/first");
    assert.equal(other?.content, undefined);
    assert.equal(other?.sizeBytes, 0);
  }
});

test("walkFolder() notes pipes and sockets, and stores links as links without following them", async (t) => {
  const root = makeRoot(t);
  execFileSync("sh", ["-c", `mkfifo "$0"`, join(root, "pipe")]);
  const server = createServer().listen(join(root, "socket"));
  await new Promise((resolve) => server.once("listening", resolve));
  t.after(() => server.close());
  symlinkSync("/etc", join(root, "etc"));
  symlinkSync("loop", join(root, "loop"));
  const [entries, problems] = await walk(root);
  assert.deepEqual(paths(entries), ["", "etc", "loop"]);
  assert.deepEqual(
    problems.map((problem) => `${problem.kind} ${problem.path} ${problem.message}`),
    ["special-file uploads/pipe Left out: a named pipe", "special-file uploads/socket Left out: a socket"],
  );
});

test("walkFolder() leaves out what patterns name, does not look into it, and lets later patterns take back", async (t) => {
  const root = makeRoot(t);
  for (const directory of ["cache", "keep/cache", "tmp"])
    mkdirSync(join(root, directory), { recursive: true });
  for (const file of ["cache/1", "keep/cache/2", "tmp/3", "a.TMP", "b.tmp", "important.tmp"]) {
    writeFileSync(join(root, file), "");
  }
  const [entries] = await walk(root, { excludes: ["# comment", "/cache/", "*.tmp", "!important.tmp"] });
  assert.deepEqual(paths(entries), [
    "",
    "a.TMP",
    "important.tmp",
    "keep",
    "keep/cache",
    "keep/cache/2",
    "tmp",
    "tmp/3",
  ]);
});

test("walkFolder() leaves out what it was told to skip, whichever way the root is reached", async (t) => {
  const root = makeRoot(t);
  mkdirSync(join(root, "app/backups/full"), { recursive: true });
  writeFileSync(join(root, "app/app.db"), "database");
  writeFileSync(join(root, "app/photo.jpg"), "photo");
  symlinkSync("app", join(root, "way-in"));
  const skip = new Set([realBytePath(join(root, "way-in/backups")), realBytePath(join(root, "app/app.db"))]);
  const [entries] = await walk(join(root, "way-in"), { skip });
  assert.deepEqual(paths(entries), ["", "photo.jpg"]);
});

test("walkFolder() keeps only the tag of a cache folder, and all of one whose tag is wrong", async (t) => {
  const root = makeRoot(t);
  const tag = "Signature: 8a477f597d28d172789f06886806bc55";
  for (const [folder, content] of [
    ["good", `${tag}\n# made by a test`],
    ["wrong", "Signature: none"],
  ] as const) {
    mkdirSync(join(root, folder));
    writeFileSync(join(root, folder, "CACHEDIR.TAG"), content);
    writeFileSync(join(root, folder, "data"), "");
  }
  const [entries] = await walk(root, { excludeCaches: true });
  assert.deepEqual(paths(entries).slice(1), [
    "good",
    "good/CACHEDIR.TAG",
    "wrong",
    "wrong/CACHEDIR.TAG",
    "wrong/data",
  ]);
  const [all] = await walk(root);
  assert.equal(all.length, 7);
});

test("walkFolder() stops at other file systems when told to, and keeps their mount points", async () => {
  // Everywhere but in the barest of containers /dev/pts is a file system of its own, full of devices.
  const [entries, problems] = await walk("/dev", { oneFileSystem: true, excludes: ["/fd"] });
  const [all, allProblems] = await walk("/dev", { excludes: ["/fd", "/shm/*"] });
  assert.ok(!problems.some((problem) => problem.path.startsWith("uploads/pts/")));
  if (!paths(all).includes("pts")) return;
  assert.ok(paths(entries).includes("pts"));
  assert.ok(allProblems.some((problem) => problem.path === "uploads/pts/ptmx"));
});

test("walkFolder() reports what vanishes, but not the journal of a database at work", async (t) => {
  const root = makeRoot(t);
  const header = Buffer.concat([Buffer.from("SQLite format 3\0"), Buffer.alloc(1000)]);
  writeFileSync(join(root, "app.db"), header);
  for (const name of ["app.db-journal", "fake.txt", "fake.txt-journal", "gone.jpg"])
    writeFileSync(join(root, name), "x");
  // The folder is listed when its first entries are asked for; one batch holds at most 512.
  for (let i = 0; i < 600; i++) writeFileSync(join(root, `0-${i}`), "");
  const problems: Problem[] = [];
  for await (const batch of walkFolder(optionsFor(root), (problem) => problems.push(problem), signal)) {
    if (batch.length < 512) continue;
    for (const name of ["app.db-journal", "fake.txt-journal", "gone.jpg"]) rmSync(join(root, name));
  }
  assert.deepEqual(
    problems.map((problem) => `${problem.kind} ${problem.path}`),
    ["vanished uploads/fake.txt-journal", "vanished uploads/gone.jpg"],
  );
});

test("walkFolder() reads a directory too large for one call in order and to the end", async (t) => {
  const root = makeRoot(t);
  mkdirSync(join(root, "many"));
  // 200 bytes a name make the directory large on ext4 and overlay; on tmpfs it is read in one call.
  const count = 2000;
  for (let i = 0; i < count; i++)
    symlinkSync("x", join(root, "many", `${"n".repeat(200)}${(i * 7919) % 2003}`));
  writeFileSync(join(root, "many-after"), "");
  const [entries, problems] = await walk(root);
  const inOrder = paths(entries).toSorted((a, b) => compareEntryPaths(asByteString(a), asByteString(b)));
  assert.deepEqual(paths(entries), inOrder);
  assert.equal(entries.length, count + 3);
  assert.deepEqual(problems, []);
});

test("walkFolder() walks trees of more than a thousand levels and names what lies beyond the longest path", async (t) => {
  const root = makeRoot(t);
  t.after(() => execFileSync("rm", ["-rf", root]));
  mkdirSync(join(root, "d/".repeat(1500)), { recursive: true });
  const deeper = `process.chdir("d/".repeat(1500)); const n = "e".repeat(200);
    for (let i = 0; i < 10; i++) { fs.mkdirSync(n); process.chdir(n); }`;
  execFileSync(process.execPath, ["-e", deeper], { cwd: root });
  const [entries, problems] = await walk(root);
  assert.ok(entries.length > 1500, String(entries.length));
  assert.deepEqual(
    problems.map((problem) => problem.kind),
    ["unreadable"],
  );
  assert.match(problems[0]?.message ?? "", /ENAMETOOLONG/);
});

test("walkFolder() refuses a root that is missing or no folder", async (t) => {
  const root = makeRoot(t);
  writeFileSync(join(root, "file"), "");
  symlinkSync("nowhere", join(root, "dangling"));
  for (const name of ["missing", "file", "dangling"]) {
    await assert.rejects(walk(join(root, name)), (error) => isBackupError(error, "source-unavailable"));
  }
});

test("walkFolder() lets the event loop run, and stops when it is cancelled", async (t) => {
  const root = makeRoot(t);
  for (let folder = 0; folder < 40; folder++) {
    mkdirSync(join(root, String(folder)));
    writeFileSync(join(root, String(folder), "0"), "");
    for (let i = 1; i < 300; i++)
      linkSync(join(root, String(folder), "0"), join(root, String(folder), String(i)));
  }
  let turns = 0;
  const clock = setInterval(() => turns++, 1);
  await walk(root);
  clearInterval(clock);
  assert.ok(turns > 0);

  const controller = new AbortController();
  const rest = walkFolder(optionsFor(root), () => {}, controller.signal);
  await rest.next();
  controller.abort();
  await assert.rejects(rest.next(), { name: "AbortError" });
});
