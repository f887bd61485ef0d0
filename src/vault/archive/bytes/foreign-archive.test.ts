import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { type Header, pack } from "tar-stream";
import { BackupError, isBackupError } from "../../../domain/error.ts";
import { MemoryStorage } from "../../../storage/memory-storage.ts";
import { fc } from "../../../testing/properties.ts";
import { zeroBomb } from "../../../testing/zero-bomb.ts";
import type { ArchiveReading } from "./archive-reader.ts";
import { openForeignArchive } from "./foreign-archive.ts";

const signal = new AbortController().signal;
const archiveName = "storage/storage_backup_20240101_120000.tar.gz";

type Piece = readonly [Partial<Header> & { name: string }, (string | Buffer)?];

/** A tar made by tar-stream, as others make them. */
async function tarOf(pieces: readonly Piece[]): Promise<Buffer> {
  const packer = pack();
  for (const [header, content = ""] of pieces) packer.entry({ mtime: new Date(5000), ...header }, content);
  packer.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of packer as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function openBytes(bytes: Uint8Array, name = archiveName): Promise<ArchiveReading> {
  const storage = new MemoryStorage();
  await storage.put(name, bytes, signal);
  return openForeignArchive({ storage, archiveName: name });
}

async function openPieces(pieces: readonly Piece[]): Promise<ArchiveReading> {
  return await openBytes(gzipSync(await tarOf(pieces)));
}

async function list(archive: ArchiveReading): Promise<string[]> {
  const seen: string[] = [];
  for await (const { entry, content } of archive.contents(() => true, signal)) {
    let size = 0;
    if (content !== undefined) for await (const chunk of content) size += chunk.length;
    seen.push(`${entry.kind} ${entry.root}:${entry.path} ${size}`);
  }
  return seen;
}

const noise = randomBytes(700_000);
const good: readonly Piece[] = [
  [{ name: "storage/", type: "directory", mode: 0o755 }],
  [{ name: "storage/a.bin" }, noise],
  [{ name: `storage/${"long".repeat(60)}` }, "x"],
  [{ name: "storage/empty" }],
  [{ name: "storage/again", type: "link", linkname: "storage/a.bin" }],
  [{ name: "storage/sub/", type: "directory" }],
  [{ name: "storage/sub/link", type: "symlink", linkname: "../a.bin" }],
];

test("a foreign archive is read entry by entry", async () => {
  const archive = await openPieces(good);
  assert.deepEqual(await list(archive), [
    "directory storage: 0",
    "file storage:a.bin 700000",
    `file storage:${"long".repeat(60)} 1`,
    "file storage:empty 0",
    "file storage:again 0",
    "directory storage:sub 0",
    "symlink storage:sub/link 0",
  ]);
  const found = [];
  for await (const entry of archive.entries(signal)) found.push(entry);
  assert.equal(found[1]?.mtimeNs, 5_000_000_000n);
  assert.equal(found[4]?.hardLinkTo, "a.bin");
  const bytes: Buffer[] = [];
  for await (const chunk of archive.read(found[1]!, { offset: 300_000, length: 250_000 }, signal)) {
    bytes.push(Buffer.from(chunk));
  }
  assert.ok(Buffer.concat(bytes).equals(noise.subarray(300_000, 550_000)));
});

test("verify() has nothing to say about an intact foreign archive, and names a broken one", async () => {
  const bytes = gzipSync(await tarOf(good));
  const damages = async (archive: Uint8Array): Promise<number> => {
    let count = 0;
    const reading = await openBytes(archive);
    await reading.verify(
      "content",
      () => count++,
      () => undefined,
      signal,
    );
    return count;
  };
  assert.equal(await damages(bytes), 0);
  assert.equal(await damages(bytes.subarray(0, -4)), 1, "cut short");
  const changed = Buffer.from(bytes);
  changed[400_000]! ^= 1;
  assert.equal(await damages(changed), 1, "changed");
  assert.equal(await damages(Buffer.from("not gzip")), 1, "something else");
});

test("files in no folder get a root named after the archive, which is never one that leads out", async () => {
  const packed = gzipSync(
    await tarOf([
      [{ name: "a" }, "x"],
      [{ name: "sub/b" }, "yy"],
    ]),
  );
  for (const [name, root] of [
    ["storage/shop.tar.gz", "shop"],
    ["shop.TGZ", "shop"],
    ["a.tar.gz", "a"],
    ["...tar.gz", "files"],
    [".tar.gz", "files"],
  ] as const) {
    assert.deepEqual(await list(await openBytes(packed, name)), [`file ${root}:a 1`, "file sub:b 2"], name);
  }
  await assert.rejects(list(await openBytes(packed, "sub.tar.gz")), (error) =>
    isBackupError(error, "unsupported"),
  );
});

test("everything that reaches outside, or is no file at all, is refused as unsafe", async () => {
  const folder: Piece = [{ name: "storage/", type: "directory" }];
  const hostile: Piece[][] = [
    [[{ name: "storage/../../etc/passwd" }, "x"]],
    [[{ name: "/etc/passwd" }, "x"]],
    [[{ name: "storage/./../x" }, "x"]],
    [[{ name: "storage/link", type: "symlink", linkname: "/etc" }]],
    [[{ name: "storage/link", type: "symlink", linkname: "../x" }]],
    [[{ name: "storage/link", type: "symlink", linkname: "sub/../../x" }]],
    [[{ name: "storage/link", type: "symlink", linkname: "sub" }], [{ name: "storage/link/x" }, "x"]],
    [[{ name: "storage/hard", type: "link", linkname: "/etc/passwd" }]],
    [[{ name: "storage/hard", type: "link", linkname: "storage/later" }], [{ name: "storage/later" }, "x"]],
    [[{ name: "other/x" }, "x"], [{ name: "storage/hard", type: "link", linkname: "other/x" }]],
    [[{ name: "storage/pipe", type: "fifo" }]],
    [[{ name: "storage/disk", type: "block-device", devmajor: 8, devminor: 0 }]],
    [[{ name: "storage/tty", type: "character-device", devmajor: 4, devminor: 0 }]],
    [
      [{ name: "storage/a" }, "x"],
      [{ name: "storage/a" }, "y"],
    ],
    [
      [{ name: "storage/a" }, "x"],
      [{ name: "storage/a/b" }, "y"],
    ],
  ];
  for (const pieces of hostile) {
    const archive = await openPieces([folder, ...pieces]);
    await assert.rejects(list(archive), (error) => isBackupError(error, "unsafe"), JSON.stringify(pieces));
  }
  assert.equal((await list(await openPieces([folder]))).length, 1, "the folder alone is fine");
});

test("a foreign archive that unpacks to a thousand times its size is taken for a bomb", async () => {
  const archive = await openBytes(zeroBomb(1030));
  await assert.rejects(list(archive), (error) => isBackupError(error, "unsafe"));
});

test("whatever bytes stand in a foreign archive, reading it ends or is refused", async () => {
  const tar = await tarOf(good.filter(([{ name }]) => name !== "storage/a.bin" && name !== "storage/again"));
  const edits = fc.array(fc.tuple(fc.nat(tar.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(edits, async (changes) => {
      const changed = Buffer.from(tar);
      for (const [at, value] of changes) changed[at] = value;
      try {
        await list(await openBytes(gzipSync(changed, { level: 1 })));
      } catch (error) {
        assert.ok(error instanceof BackupError, String(error));
      }
    }),
    { numRuns: 150 },
  );
});
