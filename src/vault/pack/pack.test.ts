import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { crc32, inflateRawSync } from "node:zlib";
import { asByteString, byteStringFromText } from "../../domain/byte-string.ts";
import { isBackupError } from "../../domain/error.ts";
import type { PackedItem } from "../../domain/packed-item.ts";
import { tarStream } from "./tar-stream.ts";
import { zipStream } from "./zip-stream.ts";

const signal = new AbortController().signal;
const text = Buffer.from("some words that compress, ".repeat(200_000));
const noise = randomBytes(2_000_000);

/** Content in pieces that are overwritten when the next one is asked for. */
async function* reused(content: Uint8Array): AsyncGenerator<Uint8Array> {
  const buffer = Buffer.alloc(100_003);
  for (let at = 0; at < content.length; at += buffer.length) {
    const piece = content.subarray(at, at + buffer.length);
    buffer.set(piece);
    yield buffer.subarray(0, piece.length);
    buffer.fill(0);
  }
}

function file(name: string, content: Uint8Array, sizeBytes: number = content.length): PackedItem {
  return {
    kind: "file",
    name: byteStringFromText(name),
    mode: 0o640,
    uid: -1,
    gid: 70_000,
    mtimeNs: 1_600_000_000_500_000_000n,
    sizeBytes,
    content: reused(content),
  };
}

function bare(kind: "directory" | "symlink", name: string, more: Partial<PackedItem> = {}): PackedItem {
  const { content: _, ...rest } = file(name, new Uint8Array(0));
  return { ...rest, kind, mode: 0o755, ...more };
}

async function* each<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}

/** All of a stream whose chunks are only valid until the next one. */
async function gather(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(chunks, (chunk) => Buffer.from(chunk)));
}

/** What the central directory of a zip leads to: name, attributes and bytes of each member. */
function readZip(zip: Buffer): { name: string; flags: number; attributes: number; bytes: Buffer }[] {
  const end = zip.length - 22;
  assert.equal(zip.readUInt32LE(end), 0x06054b50);
  const members = [];
  let at = zip.readUInt32LE(end + 16);
  for (let left = zip.readUInt16LE(end + 10); left > 0; left--) {
    const [flags, method, sum] = [
      zip.readUInt16LE(at + 8),
      zip.readUInt16LE(at + 10),
      zip.readUInt32LE(at + 16),
    ];
    const [packed, size] = [zip.readUInt32LE(at + 20), zip.readUInt32LE(at + 24)];
    const [nameLength, extraLength] = [zip.readUInt16LE(at + 28), zip.readUInt16LE(at + 30)];
    const local = zip.readUInt32LE(at + 42);
    assert.equal(zip.readUInt32LE(local), 0x04034b50);
    const dataAt = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28);
    const stored = zip.subarray(dataAt, dataAt + packed);
    const bytes = method === 8 ? inflateRawSync(stored) : stored;
    assert.deepEqual([bytes.length, crc32(bytes)], [size, sum]);
    const name = zip.toString("latin1", at + 46, at + 46 + nameLength);
    members.push({ name, flags, attributes: zip.readUInt32LE(at + 38) >>> 16, bytes });
    at += 46 + nameLength + extraLength;
  }
  assert.equal(at, end);
  return members;
}

test("zipStream() gives every member back, small or large, compressible or not", async () => {
  const contents = [new Uint8Array(0), text.subarray(0, 1000), noise.subarray(0, 5000), text, noise];
  const items = contents.map((content, index) => file(`dir/${index}`, content));
  const zip = await gather(zipStream(each([bare("directory", "dir"), ...items]), signal));
  const members = readZip(zip);
  assert.deepEqual(
    members.map(({ name }) => name),
    ["dir/", ...contents.map((_, index) => `dir/${index}`)],
  );
  for (const [index, content] of contents.entries()) {
    assert.ok(members[index + 1]!.bytes.equals(content), `${index}`);
    assert.equal(members[index + 1]!.attributes, 0o100640);
  }
  assert.ok(zip.length < noise.length + 100_000, `${zip.length}`);
});

test("zipStream() keeps links as links and names as bytes", async () => {
  const name = asByteString("bad\xff");
  const linkTarget = byteStringFromText("elsewhere/ä");
  const items = [
    { ...file("", text.subarray(0, 10)), name },
    file("ä", text.subarray(0, 10)),
    bare("symlink", "link", { linkTarget, mode: 0o777 }),
  ];
  const [bad, good, link] = readZip(await gather(zipStream(each(items), signal)));
  // Bit 11 promises UTF-8.
  assert.deepEqual([bad?.name, (bad?.flags ?? 0) & 0x800], ["bad\xff", 0]);
  assert.deepEqual([good?.name, (good?.flags ?? 0) & 0x800], ["\xc3\xa4", 0x800]);
  assert.deepEqual([String(link?.bytes), link?.attributes], ["elsewhere/ä", 0o120777]);
});

test("tarStream() and zipStream() call content of another length damaged", async () => {
  for (const pack of [tarStream, zipStream]) {
    for (const [content, sizeBytes] of [
      [text.subarray(0, 999), 1000],
      [text.subarray(0, 1001), 1000],
      [text, text.length + 1],
      [text, text.length - 1],
    ] as const) {
      const packing = gather(pack(each([file("a", content, sizeBytes)]), signal));
      await assert.rejects(packing, (error) => isBackupError(error, "damaged"), `${pack.name} ${sizeBytes}`);
    }
  }
});

test("tarStream() and zipStream() pass on what content throws, stop when aborted, and when nobody reads on", async () => {
  const failing = async function* (): AsyncGenerator<Uint8Array> {
    yield text.subarray(0, 1_500_000);
    throw new Error("gone");
  };
  for (const pack of [tarStream, zipStream]) {
    const item = { ...file("a", text), content: failing() };
    await assert.rejects(gather(pack(each([item]), signal)), { message: "gone" });
    const aborted = gather(pack(each([file("a", text)]), AbortSignal.abort()));
    await assert.rejects(aborted, { name: "AbortError" });
    let closed = false;
    const endless = async function* (): AsyncGenerator<Uint8Array> {
      try {
        for (;;) yield noise;
      } finally {
        closed = true;
      }
    };
    let seen = 0;
    for await (const chunk of pack(each([{ ...file("a", noise, 1e12), content: endless() }]), signal)) {
      seen += chunk.length;
      if (seen > noise.length) break;
    }
    // What is being compressed when the reader goes is not waited for by the loop itself.
    for (let turn = 0; turn < 60_000 && !closed; turn++)
      await new Promise((resolve) => setTimeout(resolve, 5));
    assert.ok(closed, pack.name);
  }
});
