import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import {
  appendFileSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { gunzipSync } from "node:zlib";
import type { Entry } from "../../../domain/entry.ts";
import { isAbort, isBackupError } from "../../../domain/error.ts";
import { silentObserver } from "../../../domain/progress.ts";
import { MemoryStorage } from "../../../storage/memory-storage.ts";
import type { Storage } from "../../../storage/storage.ts";
import type { WrittenArchive } from "../../../testing/archive-tree.ts";
import {
  archiveNames,
  describeArchive,
  describeFolder,
  objectBytes,
  readerOf,
  walkAll,
  writeArchive,
} from "../../../testing/archive-tree.ts";
import { fc } from "../../../testing/properties.ts";
import { openArchiveWriter } from "./archive-writer.ts";

const signal = new AbortController().signal;
const work = mkdtempSync(join(tmpdir(), "vertex-archive-writer-"));
after(() => rmSync(work, { recursive: true }));
let made = 0;

function newFolder(): string {
  const folder = join(work, String(made++), "uploads");
  mkdirSync(folder, { recursive: true });
  return folder;
}

const words = "words that compress rather well, again and again. ";

function fill(folder: string): void {
  mkdirSync(join(folder, "sub/empty"), { recursive: true });
  for (let i = 0; i < 40; i++) writeFileSync(join(folder, `sub/${i}.txt`), `${i} ${words.repeat(i * 20)}`);
  for (let i = 0; i < 4; i++) writeFileSync(join(folder, `photo-${i}.jpg`), randomBytes(300_000 + i));
  writeFileSync(
    join(folder, "video"),
    Buffer.concat([randomBytes(65_536), Buffer.from(words.repeat(30_000))]),
  );
  writeFileSync(join(folder, "sparse"), Buffer.alloc(2 << 20));
  symlinkSync("sub/1.txt", join(folder, "link"));
  linkSync(join(folder, "video"), join(folder, "video-again"));
}

async function assertIntact(storage: Storage, written: WrittenArchive): Promise<void> {
  const damages: unknown[] = [];
  await readerOf(storage, written).verify(
    "content",
    (damage) => damages.push(damage),
    () => undefined,
    signal,
  );
  assert.deepEqual(damages, []);
}

/** A storage that calls `onChunk` before each chunk of an archive is taken. */
function watched(storage: Storage, onChunk: (index: number) => void): Storage {
  return Object.create(storage, {
    put: {
      value: async (name: string, content: AsyncIterable<Uint8Array>, put: AbortSignal) => {
        async function* chunks(): AsyncGenerator<Uint8Array> {
          let index = 0;
          for await (const chunk of content) {
            if (name.endsWith(".tar.gz")) onChunk(index++);
            yield chunk;
          }
        }
        await storage.put(name, chunks(), put);
      },
    },
    get: { value: storage.get.bind(storage) },
    stat: { value: storage.stat.bind(storage) },
  }) as Storage;
}

test("an archive holds what the folder holds", async () => {
  const folder = newFolder();
  fill(folder);
  const storage = new MemoryStorage();
  const written = await writeArchive({ storage, folder, stem: "a" });
  assert.deepEqual(await describeArchive(readerOf(storage, written)), await describeFolder(folder));
  assert.deepEqual(written.result.counts, {
    databases: 0,
    files: 47,
    directories: 3,
    symlinks: 1,
    unchangedFiles: 0,
  });
  assert.equal(written.result.problemCount, 0);
  await assertIntact(storage, written);
});

test("an archive of the same folder has the same bytes", async () => {
  const folder = newFolder();
  fill(folder);
  const storage = new MemoryStorage();
  const first = await writeArchive({ storage, folder, stem: "a" });
  const second = await writeArchive({ storage, folder, stem: "b", batch: 7 });
  assert.equal(second.result.archive.sha256, first.result.archive.sha256);
});

test("a long run of zeros takes next to nothing", async () => {
  const folder = newFolder();
  writeFileSync(join(folder, "sparse"), "");
  truncateSync(join(folder, "sparse"), 64 << 20);
  const storage = new MemoryStorage();
  const { result } = await writeArchive({ storage, folder, stem: "a" });
  assert.ok(result.archive.sizeBytes < 100_000, String(result.archive.sizeBytes));
});

test("incompressible files do not keep text beside them from being compressed", async () => {
  const folder = newFolder();
  for (let i = 0; i < 8; i++) {
    writeFileSync(join(folder, `${i}-a.jpg`), randomBytes(100_000));
    writeFileSync(join(folder, `${i}-b.txt`), words.repeat(2000));
  }
  const storage = new MemoryStorage();
  const { result } = await writeArchive({ storage, folder, stem: "a" });
  assert.ok(result.archive.sizeBytes < 850_000, String(result.archive.sizeBytes));
});

test("an unchanged folder is taken over from the parent byte for byte", async () => {
  const folder = newFolder();
  fill(folder);
  const storage = new MemoryStorage();
  const parent = await writeArchive({ storage, folder, stem: "a" });
  const written = await writeArchive({ storage, folder, stem: "b", parent });
  assert.equal(written.result.archive.sha256, parent.result.archive.sha256);
  assert.equal(written.result.counts.unchangedFiles, 46);
  assert.equal(written.result.sourceBytes, parent.result.sourceBytes);
  await assertIntact(storage, written);
});

test("what changed since the parent is read, whatever changed and however often", async () => {
  const folder = newFolder();
  fill(folder);
  const storage = new MemoryStorage();
  let parent = await writeArchive({ storage, folder, stem: "0" });
  const changes: (() => void)[] = [
    () => writeFileSync(join(folder, "sub/7.txt"), "new"),
    () => rmSync(join(folder, "photo-2.jpg")),
    () => writeFileSync(join(folder, "another"), words.repeat(9)),
    () => appendFileSync(join(folder, "video"), "more"),
    () => utimesSync(join(folder, "sub/9.txt"), 5, 5),
    () => renameSync(join(folder, "sub"), join(folder, "tub")),
    () => rmSync(join(folder, "tub"), { recursive: true }),
  ];
  for (const [index, change] of changes.entries()) {
    change();
    const written = await writeArchive({ storage, folder, stem: String(index + 1), parent });
    assert.deepEqual(await describeArchive(readerOf(storage, written)), await describeFolder(folder));
    assert.ok(written.result.counts.unchangedFiles > 0, `after change ${index}`);
    await assertIntact(storage, written);
    parent = written;
  }
});

test("a captured image is never taken over as unchanged", async () => {
  const folder = newFolder();
  writeFileSync(join(folder, "app.db"), "live bytes");
  const image = join(work, "image");
  const storage = new MemoryStorage();
  const change = (entry: Entry): Entry =>
    entry.kind === "file" ? { ...entry, ctimeNs: 0n, content: { from: "image", path: image } } : entry;
  writeFileSync(image, "first image");
  const parent = await writeArchive({ storage, folder, stem: "a", change });
  writeFileSync(image, "other image");
  const written = await writeArchive({ storage, folder, stem: "b", change, parent });
  assert.match(gunzipSync(await objectBytes(storage, "storage/b.tar.gz")).toString("latin1"), /other image/);
  assert.equal(written.result.counts.unchangedFiles, 0);
});

test("a file that changed a moment before it was read is read again next time", async () => {
  const folder = newFolder();
  writeFileSync(join(folder, "fresh"), "x");
  const storage = new MemoryStorage();
  const entries = await walkAll(folder);
  const changedAtMs = Number(entries.find((entry) => entry.kind === "file")!.ctimeNs / 1_000_000n);
  const writer = await openArchiveWriter(
    {
      storage,
      ...archiveNames("a"),
      roots: [{ name: "uploads", path: folder }],
      parent: undefined,
      level: undefined,
      observer: silentObserver,
      clock: { now: () => changedAtMs + 1, elapsed: () => 0 },
    },
    signal,
  );
  await writer.add(
    entries.map((entry) => ({ entry, settled: false })),
    signal,
  );
  const parent = { stem: "a", folder, result: await writer.finish(signal), problems: [], warnings: [] };
  const written = await writeArchive({ storage, folder, stem: "b", parent });
  assert.equal(written.result.counts.unchangedFiles, 0);
});

test("damage in the parent is noticed while copying, and the files are read from the source", async () => {
  const folder = newFolder();
  fill(folder);
  const storage = new MemoryStorage();
  const parent = await writeArchive({ storage, folder, stem: "a" });
  const { archiveName, contentsName } = archiveNames("a");
  const bytes = await objectBytes(storage, archiveName);
  for (const at of [100, Math.floor(bytes.length / 2), bytes.length - 100_000]) {
    const damaged = new MemoryStorage();
    const copy = Buffer.from(bytes);
    copy[at]! ^= 1;
    await damaged.put(archiveName, copy, signal);
    await damaged.put(contentsName, await objectBytes(storage, contentsName), signal);
    const written = await writeArchive({ storage: damaged, folder, stem: "b", parent });
    assert.equal(written.warnings.length, 1);
    assert.deepEqual(await describeArchive(readerOf(damaged, written)), await describeFolder(folder));
    await assertIntact(damaged, written);
  }
});

test("a parent that is cut short, gone or no contents file at all costs only time", async () => {
  const folder = newFolder();
  fill(folder);
  const storage = new MemoryStorage();
  const parent = await writeArchive({ storage, folder, stem: "a" });
  const { archiveName, contentsName } = archiveNames("a");
  const [archive, contents] = [
    await objectBytes(storage, archiveName),
    await objectBytes(storage, contentsName),
  ];
  const wrecks: [Buffer | undefined, Buffer | undefined][] = [
    [archive.subarray(0, 1000), contents],
    [archive, contents.subarray(0, 700)],
    [archive, Buffer.from("nothing like it")],
    [undefined, contents],
    [archive, undefined],
  ];
  for (const [archiveLeft, contentsLeft] of wrecks) {
    const wreck = new MemoryStorage();
    if (archiveLeft !== undefined) await wreck.put(archiveName, archiveLeft, signal);
    if (contentsLeft !== undefined) await wreck.put(contentsName, contentsLeft, signal);
    const written = await writeArchive({ storage: wreck, folder, stem: "b", parent });
    assert.deepEqual(await describeArchive(readerOf(wreck, written)), await describeFolder(folder));
  }
});

test("a large file that shrinks while it is read is read again, and stock readers still reach what follows", async () => {
  const folder = newFolder();
  writeFileSync(join(folder, "big"), randomBytes(14 << 20));
  writeFileSync(join(folder, "next"), "still here");
  const storage = new MemoryStorage();
  const cut = watched(storage, (index) => {
    if (index === 1) truncateSync(join(folder, "big"), 3 << 20);
  });
  const written = await writeArchive({ storage: cut, folder, stem: "a" });
  assert.deepEqual(written.problems, []);
  assert.ok(written.result.archive.sizeBytes > 6 << 20, "the first copy is in there too");
  assert.deepEqual(await describeArchive(readerOf(storage, written)), await describeFolder(folder));
  assert.match(gunzipSync(await objectBytes(storage, "storage/a.tar.gz")).toString("latin1"), /still here/);
  await assertIntact(storage, written);
});

test("a file that keeps changing is stored and named", async () => {
  const folder = newFolder();
  writeFileSync(join(folder, "big"), randomBytes(14 << 20));
  const storage = new MemoryStorage();
  const growing = watched(storage, () => appendFileSync(join(folder, "big"), "x"));
  const written = await writeArchive({ storage: growing, folder, stem: "a" });
  assert.deepEqual(
    written.problems.map(({ kind, path }) => ({ kind, path })),
    [{ kind: "changed-while-read", path: "uploads/big" }],
  );
  assert.equal(written.result.incomplete, true);
  await assertIntact(storage, written);
});

test("files that vanish or become something else before they are read are named, never followed, and the rest is stored", async () => {
  const folder = newFolder();
  for (const name of ["gone", "linked", "folder", "kept"]) writeFileSync(join(folder, name), name);
  linkSync(join(folder, "gone"), join(folder, "gone-again"));
  writeFileSync(join(work, "secret"), "a secret");
  const storage = new MemoryStorage();
  let swapped = false;
  const change = (entry: Entry): Entry => {
    if (swapped) return entry;
    swapped = true;
    for (const name of ["gone", "linked", "folder"]) rmSync(join(folder, name));
    symlinkSync(join(work, "secret"), join(folder, "linked"));
    mkdirSync(join(folder, "folder"));
    return entry;
  };
  const written = await writeArchive({ storage, folder, stem: "a", change });
  assert.deepEqual(
    written.problems.map(({ kind, path }) => [kind, path]),
    ["folder", "gone", "linked"].map((name) => ["vanished", `uploads/${name}`]),
  );
  assert.equal(written.result.incomplete, false);
  const described = await describeArchive(readerOf(storage, written));
  assert.deepEqual(Object.keys(described), ["", "gone-again", "kept"]);
  // A further name of a lost file has the bytes itself now.
  assert.equal((described["gone-again"] as { hardLinkTo?: string }).hardLinkTo, undefined);
});

test("abort() leaves neither object, and a failing storage ends the next call", async () => {
  const folder = newFolder();
  fill(folder);
  const storage = new MemoryStorage();
  const entries = (await walkAll(folder)).map((entry) => ({ entry, settled: false }));
  const options = {
    storage,
    ...archiveNames("a"),
    roots: [{ name: "uploads", path: folder }],
    parent: undefined,
    level: undefined,
    observer: silentObserver,
  };
  const writer = await openArchiveWriter(options, signal);
  await writer.add(entries, signal);
  await writer.abort();
  await writer.abort();
  assert.equal(await storage.stat(options.archiveName, signal), undefined);
  assert.equal(await storage.stat(options.contentsName, signal), undefined);

  await storage.put(options.archiveName, Buffer.from("taken"), signal);
  const refused = await openArchiveWriter(options, signal);
  await assert.rejects(
    (async () => {
      await refused.add(entries, signal);
      await refused.finish(signal);
    })(),
    (error) => isBackupError(error, "exists"),
  );
  await refused.abort();
  assert.equal(await storage.stat(options.contentsName, signal), undefined);
});

test("cancelling ends a writer with AbortError", async () => {
  const folder = newFolder();
  fill(folder);
  const controller = new AbortController();
  const options = {
    storage: new MemoryStorage(),
    ...archiveNames("a"),
    roots: [{ name: "uploads", path: folder }],
    parent: undefined,
    level: undefined,
    observer: silentObserver,
  };
  const writer = await openArchiveWriter(options, controller.signal);
  controller.abort();
  const entries = (await walkAll(folder)).map((entry) => ({ entry, settled: false }));
  await assert.rejects(writer.add(entries, controller.signal), isAbort);
  await writer.abort();
});

test("any two generations of files come back as they are", async () => {
  const sizes = fc.oneof(
    fc.nat(3000),
    fc.nat(200_000),
    fc.constantFrom(0, 511, 512, 513, (1 << 20) - 32_768, 1 << 20, 2_500_000),
  );
  const file = fc.record({ name: fc.integer({ min: 0, max: 12 }), size: sizes, noise: fc.boolean() });
  const generation = fc.array(file, { maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(generation, generation, async (first, second) => {
      const folder = newFolder();
      const storage = new MemoryStorage();
      const apply = (files: typeof first): void => {
        for (const { name, size, noise } of files) {
          const bytes = noise ? randomBytes(size) : Buffer.alloc(size, words);
          writeFileSync(join(folder, `f${name}`), bytes);
        }
      };
      apply(first);
      const parent = await writeArchive({ storage, folder, stem: "a" });
      apply(second);
      const written = await writeArchive({ storage, folder, stem: "b", parent, batch: 3 });
      assert.deepEqual(await describeArchive(readerOf(storage, written)), await describeFolder(folder));
      await assertIntact(storage, written);
    }),
    { numRuns: 6 },
  );
});
