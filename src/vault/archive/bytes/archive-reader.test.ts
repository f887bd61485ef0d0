import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { asByteString } from "../../../domain/byte-string.ts";
import type { StoredEntry } from "../../../domain/entry.ts";
import { isBackupError } from "../../../domain/error.ts";
import { deflateMemberSync, memberBytesMax } from "../../../encode/gzip-member.ts";
import { MemoryStorage } from "../../../storage/memory-storage.ts";
import type { Storage } from "../../../storage/storage.ts";
import type { WrittenArchive } from "../../../testing/archive-tree.ts";
import { archiveNames, objectBytes, readerOf, writeArchive } from "../../../testing/archive-tree.ts";

const signal = new AbortController().signal;
const folder = join(mkdtempSync(join(tmpdir(), "vertex-archive-reader-")), "uploads");
const storage = new MemoryStorage();
const noise = randomBytes(5_000_000);
let written: WrittenArchive;

before(async () => {
  mkdirSync(join(folder, "sub"), { recursive: true });
  for (let i = 0; i < 30; i++) writeFileSync(join(folder, `sub/${i}.txt`), `file ${i} `.repeat(i * 50));
  writeFileSync(join(folder, "noise"), noise);
  writeFileSync(Buffer.concat([Buffer.from(`${folder}/odd-`), Buffer.from([0xff])]), "odd");
  written = await writeArchive({ storage, folder, stem: "a" });
});
after(() => rmSync(join(folder, ".."), { recursive: true }));

async function entryAt(path: string): Promise<StoredEntry> {
  for await (const entry of readerOf(storage, written).entries(signal)) if (entry.path === path) return entry;
  throw new assert.AssertionError({ message: `${path} is not there` });
}

async function bytesOf(content: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of content) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

/** A storage with these bytes in place of the written ones. */
async function storageWith(archive: Uint8Array, contents: Uint8Array): Promise<Storage> {
  const other = new MemoryStorage();
  const { archiveName, contentsName } = archiveNames("a");
  await other.put(archiveName, archive, signal);
  await other.put(contentsName, contents, signal);
  return other;
}

async function damagesIn(
  other: Storage,
  as: WrittenArchive,
  depth: "stored" | "content",
): Promise<readonly string[]> {
  const found: string[] = [];
  const report = ({ path, message }: { path?: string; message: string }): void => {
    found.push(path ?? message);
  };
  await readerOf(other, as).verify(depth, report, () => undefined, signal);
  return found;
}

/** A contents file of these lines, with the metadata that goes with it. */
async function withContents(lines: readonly string[]): Promise<{ other: Storage; as: WrittenArchive }> {
  const raw = Buffer.from(`${lines.join("\n")}\n`, "latin1");
  const contents = deflateMemberSync(raw, 6, Buffer.alloc(memberBytesMax)).bytes;
  const other = await storageWith(await objectBytes(storage, archiveNames("a").archiveName), contents);
  const sha256 = createHash("sha256").update(contents).digest("hex");
  const result = { ...written.result, contents: { sizeBytes: contents.length, sha256 } };
  return { other, as: { ...written, result } };
}

async function contentsLines(): Promise<string[]> {
  const packed = await objectBytes(storage, archiveNames("a").contentsName);
  return gunzipSync(packed).toString("latin1").trimEnd().split("\n");
}

test("read() gives one file, large or small, and names that are not text", async () => {
  const reader = readerOf(storage, written);
  assert.deepEqual(await bytesOf(reader.read(await entryAt("noise"), undefined, signal)), noise);
  const small = await bytesOf(reader.read(await entryAt("sub/7.txt"), undefined, signal));
  assert.equal(small.toString(), "file 7 ".repeat(350));
  assert.equal(String(await bytesOf(reader.read(await entryAt("odd-\xff"), undefined, signal))), "odd");
  assert.equal((await bytesOf(reader.read(await entryAt("sub/0.txt"), undefined, signal))).length, 0);
});

test("read() gives any range, across members too, and fetches no more than it needs", async () => {
  let fetched = 0;
  const counting: Storage = Object.create(storage, {
    get: {
      value: async function* (name: string, range: { offset: number; length: number } | undefined) {
        if (name.endsWith(".tar.gz")) fetched += range?.length ?? Number.POSITIVE_INFINITY;
        yield* storage.get(name, range, signal);
      },
    },
  });
  const entry = await entryAt("noise");
  const reader = readerOf(counting, written);
  for (const [offset, length] of [
    [0, 1],
    [1_048_570, 20],
    [4_999_990, 10],
    [100, 3_000_000],
  ] as const) {
    const bytes = await bytesOf(reader.read(entry, { offset, length }, signal));
    assert.ok(bytes.equals(noise.subarray(offset, offset + length)), `${offset}+${length}`);
  }
  assert.ok(fetched < 9_000_000, String(fetched));
});

test("read() refuses what is not there", async () => {
  const reader = readerOf(storage, written);
  const entry = await entryAt("noise");
  await assert.rejects(
    bytesOf(reader.read({ ...entry, path: asByteString("nowhere") }, undefined, signal)),
    (error) => isBackupError(error, "not-found"),
  );
  await assert.rejects(bytesOf(reader.read(entry, { offset: 4_999_999, length: 2 }, signal)), (error) =>
    isBackupError(error, "invalid-input"),
  );
});

test("contents() skips what is not selected, and lets content be left alone or left halfway", async () => {
  const reader = readerOf(storage, written);
  const seen: string[] = [];
  for await (const { entry, content } of reader.contents(({ path }) => /noise|2/.test(path), signal)) {
    seen.push(entry.path);
    if (content === undefined || entry.path.endsWith("2.txt")) continue;
    for await (const chunk of content) {
      assert.ok(chunk.length > 0);
      if (entry.path === "noise") break;
    }
  }
  assert.equal(seen.length, 1 + 12);
  // Leaving early closes everything.
  for await (const _ of reader.contents(() => true, signal)) break;
});

test("verify() finds every changed byte of the archive and of the contents file", async () => {
  const little = join(folder, "..", "little");
  mkdirSync(little);
  writeFileSync(join(little, "a"), "some words ".repeat(9));
  writeFileSync(join(little, "b"), randomBytes(300));
  const source = new MemoryStorage();
  const small = await writeArchive({ storage: source, folder: little, stem: "a" });
  const { archiveName, contentsName } = archiveNames("a");
  const [archive, contents] = [
    await objectBytes(source, archiveName),
    await objectBytes(source, contentsName),
  ];
  assert.deepEqual(await damagesIn(source, small, "content"), []);
  for (const [which, bytes] of [archive, contents].entries()) {
    for (let at = 0; at < bytes.length; at += 3) {
      const changed = Buffer.from(bytes);
      changed[at]! ^= 1 << (at % 8);
      const other = await storageWith(which === 0 ? changed : archive, which === 1 ? changed : contents);
      for (const depth of ["stored", "content"] as const) {
        assert.notDeepEqual(
          await damagesIn(other, small, depth),
          [],
          `byte ${at} of object ${which}, ${depth}`,
        );
      }
    }
  }
});

test("verify() names the files concerned, and finds missing, short and long objects", async () => {
  const { archiveName, contentsName } = archiveNames("a");
  const [archive, contents] = [
    await objectBytes(storage, archiveName),
    await objectBytes(storage, contentsName),
  ];
  const changed = Buffer.from(archive);
  changed[3_000_000]! ^= 4;
  const named = await damagesIn(await storageWith(changed, contents), written, "content");
  assert.ok(named.includes("uploads/noise"), String(named));
  assert.ok(!named.some((name) => name.includes("sub/")), String(named));
  const wrecks = [
    await storageWith(archive.subarray(0, -1), contents),
    await storageWith(Buffer.concat([archive, Buffer.from("x")]), contents),
    await storageWith(archive, contents.subarray(0, -30)),
    await storageWith(archive, Buffer.concat([contents, contents])),
    new MemoryStorage(),
  ];
  for (const wreck of wrecks) assert.notDeepEqual(await damagesIn(wreck, written, "stored"), []);
});

test("contents() hands out nothing that does not match its checksum", async () => {
  const { archiveName, contentsName } = archiveNames("a");
  const archive = await objectBytes(storage, archiveName);
  const contents = await objectBytes(storage, contentsName);
  const changed = Buffer.from(archive);
  changed[3_000_000]! ^= 4;
  const reader = readerOf(await storageWith(changed, contents), written);
  await assert.rejects(
    (async () => {
      for await (const { content } of reader.contents(({ path }) => path === "noise", signal)) {
        if (content !== undefined) await bytesOf(content);
      }
    })(),
    (error) => isBackupError(error, "damaged"),
  );
});

test("a contents file that lies is refused, however it lies", async () => {
  const honest = await contentsLines();
  const edit = (from: RegExp, to: string): string[] => honest.map((line) => line.replace(from, to));
  const lies: [string, string[]][] = [
    ["a run that starts elsewhere", edit(/"offset":0,/, '"offset":5,')],
    ["a member longer than the archive", edit(/"members":\[\[\d+/, '"members":[[900000')],
    ["a raw length nobody allows", edit(/"members":\[\[(\d+),\d+/, '"members":[[$1,4000000000')],
    ["more entries than fit", edit(/"entries":1,/, '"entries":4000,')],
    ["more members than listed", edit(/"member_count":\d+/, '"member_count":9999999')],
    ["data outside of its run", edit(/"at":\d+/, '"at":99999999')],
    ["a size beyond its run", edit(/"size":\d\d+/, '"size":9007199254740991')],
    ["an unknown root", edit(/"root":"uploads"/, '"root":"elsewhere"')],
    ["entries out of order", edit(/"path":"sub\/29.txt"/, '"path":"aaa"')],
    ["an entry twice", edit(/"path":"sub\/29.txt"/, '"path":"sub/28.txt"')],
    ["a missing end", honest.slice(0, -1)],
    ["an entry below a file", edit(/"path":"sub"/, '"path":"noise/x"')],
    ["a way out", edit(/"path":"sub\/0.txt"/, '"path":"sub/../../x"')],
  ];
  for (const [what, lines] of lies) {
    const { other, as } = await withContents(lines);
    assert.notDeepEqual(await damagesIn(other, as, "content"), [], what);
    await assert.rejects(
      (async () => {
        for await (const { content } of readerOf(other, as).contents(() => true, signal)) {
          if (content !== undefined) await bytesOf(content);
        }
      })(),
      (error) => isBackupError(error, "damaged", "unsafe"),
      what,
    );
  }
  const { other, as } = await withContents(honest);
  assert.deepEqual(await damagesIn(other, as, "content"), [], "the honest one passes");
});
