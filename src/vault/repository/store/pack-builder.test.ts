import assert from "node:assert/strict";
import { hash, randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { decompress } from "../../../encode/zstd.ts";
import { newMasterKey, openBox, sealBox } from "../../../format/restic/crypto-box.ts";
import type { BlobType, IndexedPack } from "../../../format/restic/model.ts";
import { parsePackHeader } from "../../../format/restic/pack-header.ts";
import { PackBuilder, packBytes, type SealedPack } from "./pack-builder.ts";
import { isBackupError } from "../../../domain/error.ts";
import { type StagedFile, StagedFiles } from "./staged-file.ts";

const key = newMasterKey();
const scratch = mkdtempSync(join(tmpdir(), "vertex-pack-builder-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

interface PackInMemory extends IndexedPack {
  readonly bytes: Uint8Array;
}

function inMemory({ id, blobs, content }: SealedPack): PackInMemory {
  if (!("preparedFile" in content)) return { id, blobs, bytes: content };
  const bytes = readFileSync(content.preparedFile);
  rmSync(content.preparedFile);
  return { id, blobs, bytes };
}

function build(
  type: BlobType,
  version: 1 | 2,
  plains: readonly Uint8Array[],
  files = new StagedFiles(undefined),
): readonly PackInMemory[] {
  const packs: PackInMemory[] = [];
  const takeBuffer = (): ArrayBuffer => new ArrayBuffer(packBytes);
  const onPack = (pack: SealedPack): void => void packs.push(inMemory(pack));
  const builder = new PackBuilder({ key, type, version, level: 1, files, takeBuffer, onPack });
  for (const plain of plains) builder.add(hash("sha256", plain, "hex"), plain);
  builder.finish();
  return packs;
}

/** Reads packs as restic does: from their end. */
function readBack(packs: readonly PackInMemory[]): ReadonlyMap<string, Buffer> {
  const found = new Map<string, Buffer>();
  for (const { id, bytes, blobs } of packs) {
    assert.equal(hash("sha256", bytes, "hex"), id);
    const headerLength = Buffer.from(bytes).readUInt32LE(bytes.length - 4);
    const headerAt = bytes.length - 4 - headerLength;
    const header = parsePackHeader(openBox(key, bytes.subarray(headerAt, headerAt + headerLength)));
    assert.deepEqual(header, blobs);
    for (const blob of header) {
      const inside = openBox(key, bytes.subarray(blob.offset, blob.offset + blob.length));
      const { uncompressedLength } = blob;
      const plain = uncompressedLength === undefined ? inside : decompress(inside, uncompressedLength);
      assert.equal(hash("sha256", plain, "hex"), blob.id);
      found.set(blob.id, plain);
    }
  }
  return found;
}

test("add() puts every blob into a pack that can be read from its end, compressed only where that pays", () => {
  const text = Buffer.from("the same words again and again ".repeat(5_000));
  const plains = [text, randomBytes(300_000), randomBytes(1), Buffer.alloc(0), text.subarray(0, 60)];
  const packs = build("data", 2, plains);
  assert.equal(readBack(packs).size, plains.length);
  const sizes = new Map(packs.flatMap(({ blobs }) => blobs).map((blob) => [blob.id, blob]));
  const of = (plain: Uint8Array) => sizes.get(hash("sha256", plain, "hex"));
  assert.ok((of(text)?.length ?? 0) < text.length / 10);
  assert.equal(of(plains[1]!)?.uncompressedLength, undefined);
  assert.equal(of(plains[1]!)?.length, 300_032);
});

test("add() never makes a pack larger than its target, except of one blob that is larger", () => {
  const plains = Array.from({ length: 30 }, () => randomBytes(1_500_000));
  const packs = build("data", 2, [...plains, randomBytes(packBytes + 5)]);
  assert.equal(readBack(packs).size, 31);
  for (const { bytes, blobs } of packs) assert.ok(bytes.length <= packBytes || blobs.length === 1);
  assert.ok(packs.length <= 6, `${packs.length} packs`);
});

test("add() fills files, where there are any, with the same packs", () => {
  const files = new StagedFiles(join(scratch, "p"));
  const sizes = [1, 0, 100_000, 500_000, 524_255, 524_256, 524_257, 3_000_000, 7, 8_388_608, 2_000_000];
  const plains = [...sizes, ...sizes].map((size) => randomBytes(size));
  const packs = build("data", 2, [...plains, randomBytes(packBytes + 5)], files);
  assert.equal(readBack(packs).size, new Set(plains.map((plain) => plain.toString("latin1"))).size + 1);
  for (const { bytes, blobs } of packs) assert.ok(bytes.length <= packBytes || blobs.length === 1);
  assert.deepEqual(readdirSync(scratch), []);
});

test("add() goes on in memory where a file can no longer be written", () => {
  const broken = new (class extends StagedFiles {
    override create(): StagedFile | undefined {
      const file = super.create();
      if (file === undefined) return undefined;
      let left = 2;
      const append = file.append.bind(file);
      file.append = (bytes) => {
        if (left-- === 0) throw new Error("ENOSPC");
        append(bytes);
      };
      return file;
    }
  })(join(scratch, "q"));
  const plains = Array.from({ length: 40 }, () => randomBytes(300_000));
  assert.equal(readBack(build("data", 2, plains, broken)).size, 40);
  const large = Array.from({ length: 12 }, () => randomBytes(900_000));
  assert.equal(readBack(build("data", 2, large, broken)).size, 12);
  assert.deepEqual(readdirSync(scratch), []);
});

test("add() does not go on with what a failing disk has lost", () => {
  const broken = new (class extends StagedFiles {
    override create(): StagedFile | undefined {
      const file = super.create();
      if (file === undefined) return undefined;
      const { append, takeBack } = { append: file.append.bind(file), takeBack: file.takeBack.bind(file) };
      file.append = (bytes) => {
        if (file.sizeBytes > 0) throw new Error("EIO");
        append(bytes);
      };
      file.takeBack = (target) => {
        takeBack(target);
        target.fill(0, 0, 4096);
      };
      return file;
    }
  })(join(scratch, "lost"));
  const plains = Array.from({ length: 40 }, () => randomBytes(300_000));
  assert.throws(
    () => build("data", 2, plains, broken),
    (error) => isBackupError(error, "storage-unavailable"),
  );
  broken.discard();
  assert.deepEqual(readdirSync(scratch), []);
});

test("a file that was discarded takes nothing more, and no other is made after it", () => {
  const files = new StagedFiles(join(scratch, "ended"));
  const file = files.create() ?? assert.fail();
  file.append(randomBytes(10));
  files.discard();
  assert.throws(() => file.append(randomBytes(10)), RangeError);
  assert.throws(() => file.handOver(), RangeError);
  file.discard();
  assert.equal(files.create(), undefined);
});

test("discard() removes the files of packs that were not ended", () => {
  const files = new StagedFiles(join(scratch, "r"));
  const takeBuffer = (): ArrayBuffer => new ArrayBuffer(packBytes);
  const builder = new PackBuilder({
    key,
    type: "data",
    version: 2,
    level: 1,
    files,
    takeBuffer,
    onPack: () => assert.fail(),
  });
  for (let i = 0; i < 9; i++) builder.add(hash("sha256", String(i), "hex"), randomBytes(700_000));
  assert.ok(readdirSync(scratch).length > 0);
  files.discard();
  assert.deepEqual(readdirSync(scratch), []);
});

test("add() spreads neighbours over several packs", () => {
  const packs = build(
    "data",
    2,
    Array.from({ length: 64 }, () => randomBytes(100)),
  );
  assert.equal(packs.length, 2);
  assert.ok(packs.every(({ blobs }) => blobs.length > 8));
});

test("add() always compresses trees in version 2, and nothing in version 1", () => {
  const tree = Buffer.from('{"nodes":[]}\n');
  assert.equal(build("tree", 2, [tree])[0]?.blobs[0]?.uncompressedLength, tree.length);
  const text = Buffer.from("words ".repeat(1_000));
  const [old] = build("data", 1, [text]);
  assert.equal(old?.blobs[0]?.uncompressedLength, undefined);
  assert.equal(readBack([old!]).size, 1);
});

test("addSealed() takes a blob over in the envelope it has", () => {
  const packs: PackInMemory[] = [];
  const builder = new PackBuilder({
    key,
    type: "data",
    version: 2,
    level: 1,
    files: new StagedFiles(undefined),
    takeBuffer: () => new ArrayBuffer(packBytes),
    onPack: (pack) => void packs.push(inMemory(pack)),
  });
  const plain = randomBytes(1_000);
  builder.addSealed(hash("sha256", plain, "hex"), sealBox(key, plain), undefined);
  builder.finish();
  assert.ok(
    readBack(packs)
      .get(hash("sha256", plain, "hex"))
      ?.equals(plain),
  );
});
