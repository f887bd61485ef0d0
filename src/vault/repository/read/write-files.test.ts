import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { closeSync, constants, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { asByteString } from "../../../domain/byte-string.ts";
import type { StoredEntry } from "../../../domain/entry.ts";
import { isBackupError } from "../../../domain/error.ts";
import { openTemporaryLocalStorage } from "../../../testing/local-vault-folder.ts";
import { blobIdOf, inGroups, PackedBlobs } from "../../../testing/packed-blobs.ts";
import { signal } from "../../../testing/vault-probe.ts";
import type { FileSink } from "../../vault.ts";
import type { Subject } from "./plan-batches.ts";
import { writeFiles } from "./write-files.ts";

/** Makes files in a fresh folder, and says what is asked of it. */
class FolderSink implements FileSink, Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), "write-files-"));
  readonly completed: string[] = [];
  readonly flags: number;
  #open = 0;
  openMost = 0;

  /** @param flags With which files are opened after they were made */
  constructor(flags: number = constants.O_WRONLY) {
    this.flags = flags;
  }

  get open(): number {
    return this.#open;
  }

  begin({ kind, path }: StoredEntry): number | undefined {
    if (kind !== "file") return undefined;
    closeSync(openSync(join(this.folder, path), "wx"));
    this.openMost = Math.max(this.openMost, ++this.#open);
    return openSync(join(this.folder, path), this.flags);
  }

  complete({ path }: StoredEntry, descriptor: number): void {
    this.completed.push(path);
    this.abandon(descriptor);
  }

  abandon(descriptor: number): void {
    this.#open--;
    closeSync(descriptor);
  }

  unwritten({ path }: StoredEntry, cause: Error): unknown {
    return new Error(`Cannot write ${path}`, { cause });
  }

  read(path: string): Buffer {
    return readFileSync(join(this.folder, path));
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

type Wanted = Subject<StoredEntry>;

function fileOf(path: string, parts: readonly Buffer[], sizeBytes?: number): Wanted {
  const size = sizeBytes ?? parts.reduce((sum, part) => sum + part.length, 0);
  return { value: entryOf(path, "file", size), content: parts.map(blobIdOf) };
}

function entryOf(path: string, kind: StoredEntry["kind"], sizeBytes: number): StoredEntry {
  const times = { mtimeNs: 0n, ctimeNs: 0n };
  return {
    root: "files",
    path: asByteString(path),
    kind,
    sizeBytes,
    mode: 0o644,
    uid: 0,
    gid: 0,
    inode: 0n,
    ...times,
  };
}

function write(place: PackedBlobs, subjects: readonly Wanted[], sink: FileSink, by = signal): Promise<void> {
  return writeFiles(place, inGroups(subjects), sink, by);
}

for (const where of ["memory", "files"]) {
  test(`writeFiles() writes every file, whatever its size, and shared blobs into each, from packs in ${where}`, async () => {
    await using storage = where === "files" ? await openTemporaryLocalStorage() : undefined;
    await using place = await PackedBlobs.open(storage);
    using sink = new FolderSink();
    const sizes = [1, 100, 70_000, 900_000, 3_000_000, 6_000_000, 5, 2_500_000, 11];
    const blobs = sizes.map((size) => randomBytes(size));
    const text = Buffer.alloc(5_000_000, "words that repeat ");
    const zeros = Buffer.alloc(300_000);
    await place.store(...blobs.slice(0, 5), text, zeros);
    await place.store(...blobs.slice(5));
    const [a, b, c, d, e, f, g, h, i] = blobs as [
      Buffer,
      Buffer,
      Buffer,
      Buffer,
      Buffer,
      Buffer,
      Buffer,
      Buffer,
      Buffer,
    ];
    const contents: Record<string, Buffer[]> = {
      long: [d, e, f, text, zeros],
      one: [a],
      empty: [],
      again: [text, b, text],
      many: [i, h, g, f, c, zeros],
      ...Object.fromEntries(Array.from({ length: 600 }, (_, n) => [`small-${n}`, [g, i]])),
    };
    const files = Object.entries(contents).map(([path, parts]) => fileOf(path, parts));
    await write(place, [{ value: entryOf("folder", "directory", 0) }, ...files], sink);
    for (const [path, parts] of Object.entries(contents)) {
      assert.ok(sink.read(path).equals(Buffer.concat(parts)), path);
    }
    assert.deepEqual(sink.completed, Object.keys(contents));
    assert.equal(sink.open, 0);
    assert.ok(sink.openMost <= 512, `${sink.openMost} files were open at once`);
  });
}

test("writeFiles() names the first file that cannot be had, writes nothing of a damaged blob and closes all files", async () => {
  await using place = await PackedBlobs.open();
  using sink = new FolderSink();
  const [whole, broken, lost] = [randomBytes(5_000_000), randomBytes(4_000_000), randomBytes(1000)];
  await place.store(whole);
  const [pack = ""] = await place.store(broken);
  await place.damage(pack);
  const subjects = [
    fileOf("a", [whole]),
    fileOf("b", [whole, broken]),
    fileOf("c", [lost]),
    fileOf("d", [whole]),
  ];
  await assert.rejects(write(place, subjects, sink), (error) => {
    assert.ok(isBackupError(error, "damaged"));
    assert.match(error.message, /^Cannot read files\/b: .*its MAC does not fit/);
    return true;
  });
  assert.deepEqual(sink.completed, ["a"]);
  assert.ok(
    sink
      .read("b")
      .subarray(whole.length)
      .every((byte) => byte === 0),
  );
  assert.equal(sink.open, 0);
});

test("writeFiles() tells what failed first, also where a later file fails before its bytes are asked for", async () => {
  await using place = await PackedBlobs.open();
  using sink = new FolderSink();
  const [broken, lost] = [randomBytes(100_000), randomBytes(1000)];
  const [pack = ""] = await place.store(broken);
  await place.damage(pack);
  const subjects = [fileOf("a", [broken]), fileOf("b", [lost]), fileOf("a", [])];
  await assert.rejects(write(place, subjects, sink), { code: "EEXIST" });
  using other = new FolderSink();
  const apart = Array.from({ length: 300 }, (_, n) => fileOf(`file-${n}`, []));
  await assert.rejects(write(place, [...subjects.slice(0, 2), ...apart, fileOf("a", [])], other), /files\/a/);
});

test("writeFiles() takes another copy of a blob where one is damaged", async () => {
  await using place = await PackedBlobs.open();
  using sink = new FolderSink();
  const plain = randomBytes(3_000_000);
  const [pack = ""] = await place.store(plain);
  await place.store(plain);
  await place.damage(pack);
  await write(place, [fileOf("a", [plain]), fileOf("b", [plain])], sink);
  for (const path of ["a", "b"]) assert.ok(sink.read(path).equals(plain));
});

test("writeFiles() refuses files whose blobs are more or fewer bytes than they say, and writes no more than that", async () => {
  await using place = await PackedBlobs.open();
  const [first, second] = [randomBytes(100_000), randomBytes(200_000)];
  await place.store(first, second);
  for (const sizeBytes of [150_000, 300_001, 0]) {
    using sink = new FolderSink();
    await assert.rejects(
      write(place, [fileOf("a", [first, second], sizeBytes), fileOf("b", [first])], sink),
      { message: `Cannot read files/a: its blobs have 300000 bytes, wanted ${sizeBytes}` },
    );
    assert.ok(sink.read("a").length <= sizeBytes);
    assert.deepEqual([sink.completed, sink.open], [[], 0]);
  }
});

for (const where of ["memory", "files"]) {
  test(`writeFiles() says in the sink's words that a file takes no bytes, from packs in ${where}`, async () => {
    await using storage = where === "files" ? await openTemporaryLocalStorage() : undefined;
    await using place = await PackedBlobs.open(storage);
    const plain = randomBytes(5_000_000);
    await place.store(plain);
    using sink = new FolderSink(constants.O_RDONLY);
    await assert.rejects(write(place, [fileOf("a", [plain])], sink), { message: "Cannot write a" });
    // What reads goes on: its thread has not ended by that.
    using other = new FolderSink();
    await write(place, [fileOf("a", [plain])], other);
    assert.ok(other.read("a").equals(plain));
    assert.equal(sink.open, 0);
  });
}

test("writeFiles() throws what the sink throws, and the abort of who cancels it, with all files closed", async () => {
  await using place = await PackedBlobs.open();
  const parts = Array.from({ length: 30 }, () => randomBytes(1_000_000));
  await place.store(...parts);
  const subjects = parts.map((part, i) => fileOf(`file-${i}`, [part]));
  using taken = new FolderSink();
  await assert.rejects(write(place, [...subjects, fileOf("file-0", [])], taken), { code: "EEXIST" });
  assert.equal(taken.open, 0);
  using cancelled = new FolderSink();
  const controller = new AbortController();
  const complete = cancelled.complete.bind(cancelled);
  cancelled.complete = (entry, descriptor) => {
    complete(entry, descriptor);
    controller.abort();
  };
  await assert.rejects(write(place, subjects, cancelled, controller.signal), { name: "AbortError" });
  assert.equal(cancelled.open, 0);
  assert.ok(cancelled.completed.length < parts.length);
});
