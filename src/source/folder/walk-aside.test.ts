import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { Problem } from "../../domain/backup.ts";
import { asByteString } from "../../domain/byte-string.ts";
import type { Entry } from "../../domain/entry.ts";
import { isBackupError } from "../../domain/error.ts";
import { fc } from "../../testing/properties.ts";
import { EntryPacker, unpackEntries } from "./entry-columns.ts";
import { StartedWalk, walkFolderAside } from "./walk-aside.ts";
import { type WalkOptions, walkFolder } from "./walk-folder.ts";
import { batchesOf } from "./walk-messages.ts";
import { prepareWalkThread, takeWalkThread, WalkThread } from "./walk-thread.ts";

const { signal } = new AbortController();

function scene(): { readonly options: WalkOptions } & Disposable {
  const path = mkdtempSync(join(tmpdir(), "vertex-walk-aside-"));
  const options = {
    root: { name: "files", path },
    excludes: ["*.tmp"],
    oneFileSystem: false,
    excludeCaches: false,
    skip: new Set([asByteString(join(path, "left-out"))]),
  };
  return { options, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

async function collect(
  walk: typeof walkFolder,
  options: WalkOptions,
): Promise<{ entries: Entry[]; problems: Problem[] }> {
  const [entries, problems]: [Entry[], Problem[]] = [[], []];
  for await (const batch of walk(options, (problem) => problems.push(problem), signal))
    entries.push(...batch);
  return { entries, problems };
}

test("walkFolderAside() finds what walkFolder() finds, in the same order, problems too", async () => {
  using made = scene();
  const { path } = made.options.root;
  for (let folder = 0; folder < 30; folder++) {
    mkdirSync(join(path, `d${folder}`));
    for (let file = 0; file < 400; file++) writeFileSync(join(path, `d${folder}`, `f${file}`), "x");
  }
  writeFileSync(Buffer.from(`${path}/caf\xe9`, "latin1"), "not UTF-8");
  writeFileSync(join(path, "left-out"), "");
  writeFileSync(join(path, "d1", "a.tmp"), "");
  symlinkSync("nowhere", join(path, "link"));
  linkSync(join(path, "d2", "f7"), join(path, "z-second-name"));
  execFileSync("mkfifo", [join(path, "pipe")]);
  const aside = await collect(walkFolderAside, made.options);
  assert.deepEqual(aside, await collect(walkFolder, made.options));
  assert.equal(aside.entries.length, 1 + 30 + 30 * 400 + 3);
  assert.deepEqual(
    aside.problems.map(({ kind }) => kind),
    ["special-file"],
  );
});

test("walkFolderAside() stops its thread when it is cancelled or left early", async () => {
  using made = scene();
  const cancelled = new AbortController();
  const walk = walkFolderAside(made.options, () => undefined, cancelled.signal);
  cancelled.abort();
  await assert.rejects(walk.next(), { name: "AbortError" });
  // A thread that went on would keep this test's process from ending.
  for await (const _batch of walkFolderAside(made.options, () => undefined, signal)) break;
});

test("EntryPacker loses nothing of an entry, also of the largest numbers", () => {
  const wide = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
  const unsigned = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
  const attributes = fc.record({
    mode: fc.integer({ min: 0, max: 0o7777 }),
    uid: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    gid: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    mtimeNs: wide,
    ctimeNs: wide,
    inode: unsigned,
    deviceId: unsigned,
    links: fc.integer({ min: 1, max: 65_000 }),
    sizeBytes: fc.maxSafeNat(),
    path: fc
      .string({
        minLength: 1,
        unit: fc.integer({ min: 1, max: 255 }).map((code) => String.fromCharCode(code)),
      })
      .map(asByteString),
  });
  fc.assert(
    fc.property(fc.array(attributes, { minLength: 1 }), (rows) => {
      const entries = rows.map((row, index): Entry => {
        const base = { ...row, root: "files" };
        if (index % 4 === 1) return { ...base, kind: "directory" };
        if (index % 4 === 2) return { ...base, kind: "symlink", linkTarget: asByteString("") };
        if (index % 4 === 3) return { ...base, kind: "file", hardLinkTo: asByteString("a") };
        return { ...base, kind: "file", content: { from: "path", path: asByteString(`/srv/${row.path}`) } };
      });
      const packer = new EntryPacker(entries.length);
      for (const entry of entries) packer.push(entry);
      assert.equal(packer.length, entries.length);
      assert.deepEqual(unpackEntries(packer.pack(), "files", asByteString("/srv")), entries);
    }),
  );
});

test("walkFolderAside() throws what walkFolder() throws where there is no folder", async () => {
  using made = scene();
  rmSync(made.options.root.path, { recursive: true });
  await assert.rejects(collect(walkFolderAside, made.options), (error) =>
    isBackupError(error, "source-unavailable"),
  );
});

test("a prepared thread is taken by one walk, which finds the same", async () => {
  using made = scene();
  writeFileSync(join(made.options.root.path, "a"), "");
  prepareWalkThread();
  prepareWalkThread();
  assert.deepEqual(await collect(walkFolderAside, made.options), await collect(walkFolder, made.options));
  prepareWalkThread();
  await using first = takeWalkThread();
  await using second = takeWalkThread();
  assert.notEqual(first, second);
});

test("a thread that ends early fails its walk", async () => {
  const thread = takeWalkThread();
  await thread[Symbol.asyncDispose]();
  assert.ok(thread.hasDied);
  await assert.rejects(thread.next(signal), (error) => isBackupError(error, "bug"));
});

test("a walk whose thread died before it said anything is done without one, and finds the same", async () => {
  using made = scene();
  writeFileSync(join(made.options.root.path, "a"), "");
  const thread = new WalkThread();
  await thread[Symbol.asyncDispose]();
  await using walk = new StartedWalk(made.options, thread);
  const found = await collect((_, report, either) => walk.entries(report, either), made.options);
  assert.deepEqual(found, await collect(walkFolder, made.options));
});

test("a walk is done without a thread where none can be started", () => {
  using made = scene();
  const { path } = made.options.root;
  writeFileSync(join(path, "a"), "");
  const module = (name: string): string => JSON.stringify(new URL(name, import.meta.url).href);
  const script = `
    import { prepareWalkThread } from ${module("./walk-thread.ts")};
    import { walkFolderAside } from ${module("./walk-aside.ts")};
    const options = { root: { name: "files", path: ${JSON.stringify(path)} }, excludes: [], skip: new Set() };
    prepareWalkThread();
    const { signal } = new AbortController();
    for await (const batch of walkFolderAside(options, () => {}, signal)) console.log(batch.length);`;
  // Without leave to start threads, which fails where a limit of processes would.
  const flags = ["--permission", "--allow-fs-read=*", "--input-type=module", "-e", script];
  assert.equal(execFileSync(process.execPath, flags, { encoding: "utf8" }), "2\n");
});

test("a walk that meets nothing but problems waits until they are taken", async () => {
  using made = scene();
  const count = 45_000;
  execFileSync("sh", ["-c", `seq 1 ${count} | xargs mkfifo`], { cwd: made.options.root.path });
  await using thread = new WalkThread();
  thread.start(made.options);
  let [taken, problems, ended] = [0, 0, false];
  const take = async (either: AbortSignal): Promise<number> => {
    const message = await thread.next(either);
    problems += message.problems.length;
    ended ||= message.kind === "end";
    return batchesOf(message);
  };
  while (taken < 64) taken += await take(signal);
  // What is on its way without being asked for would come now.
  await assert.rejects(take(AbortSignal.timeout(100)), { name: "TimeoutError" });
  assert.ok(problems < count && !ended);
  thread.askForMore(taken);
  while (!ended) thread.askForMore(await take(signal));
  assert.equal(problems, count);
});

test("a walk that has begun ends when it is disposed of, whether or not somebody asked what it finds", async () => {
  using made = scene();
  // A thread that went on would keep this test's process from ending.
  await using _unasked = new StartedWalk(made.options);
  await using asked = new StartedWalk(made.options);
  for await (const batch of asked.entries(() => undefined, signal)) assert.equal(batch.length, 1);
});

test("a walk that goes ahead keeps no process from ending while nobody asks what it finds", () => {
  using made = scene();
  const module = (name: string): string => JSON.stringify(new URL(name, import.meta.url).href);
  const script = `
    import { StartedWalk } from ${module("./walk-aside.ts")};
    import { WalkThread } from ${module("./walk-thread.ts")};
    const thread = new WalkThread();
    // It may send nothing, and so waits for ever.
    thread.askForMore(-64);
    const root = { name: "files", path: ${JSON.stringify(made.options.root.path)} };
    new StartedWalk({ root, excludes: [], skip: new Set() }, thread).goAhead(0);
    console.log("begun");`;
  // In a file: a thread takes over flags, and does not start with those of a script.
  const path = join(made.options.root.path, "script.mjs");
  writeFileSync(path, script);
  assert.equal(execFileSync(process.execPath, [path], { encoding: "utf8", timeout: 120_000 }), "begun\n");
});
