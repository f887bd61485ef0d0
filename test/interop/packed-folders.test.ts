/**
 * Tars and zips that `dump` makes, read by other people's programs: tar, unzip and
 * Python's zipfile, also beyond the sizes at which zip needs its 64-bit fields.
 */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { createWriteStream, lstatSync, mkdtempSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { test } from "node:test";
import { byteStringFromText } from "../../src/domain/byte-string.ts";
import type { PackedItem } from "../../src/domain/packed-item.ts";
import { createBrowseScene } from "../../src/testing/browse-scene.ts";
import { zipStream } from "../../src/vault/pack/zip-stream.ts";

const signal = new AbortController().signal;

/** Names, sizes and CRCs checked by Python; prints names and sizes. */
const pythonCheck = `
import sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as z:
    assert z.testzip() is None
    infos = z.infolist()
    print(len(infos), sum(i.file_size for i in infos), infos[-1].filename)
`;

async function writeZip(directory: string, items: AsyncIterable<PackedItem>): Promise<string> {
  const path = join(directory, "made.zip");
  const copies = async function* (): AsyncGenerator<Buffer> {
    for await (const chunk of zipStream(items, signal)) yield Buffer.from(chunk);
  };
  await pipeline(copies(), createWriteStream(path));
  return path;
}

function python(path: string): string {
  return execFileSync("python3", ["-c", pythonCheck, path], { encoding: "utf8" }).trim();
}

function item(name: string, sizeBytes: number, content: AsyncIterable<Uint8Array>): PackedItem {
  const owner = { mode: 0o644, uid: 1000, gid: 1000, mtimeNs: 1_600_000_000_000_000_000n };
  return { kind: "file", name: byteStringFromText(name), ...owner, sizeBytes, content };
}

test("unzip and Python read the zip of a folder, with its links, modes, times and strange names", async () => {
  await using scene = createBrowseScene();
  await scene.manager.createBackup();
  const { directory, uploads } = scene.app;
  const path = join(directory, "uploads.zip");
  await using dump = await scene.manager.browse.openDump({
    backup: "latest",
    path: "uploads",
    format: "zip",
  });
  const copies = async function* (): AsyncGenerator<Buffer> {
    for await (const chunk of dump.bytes) yield Buffer.from(chunk);
  };
  await pipeline(copies(), createWriteStream(path));
  assert.match(python(path), /uploads\/zero$/);
  // unzip asks about the name with control characters; it is its own rule to leave them out.
  execFileSync("unzip", ["-q", "-X", path, "-d", join(directory, "unzipped")]);
  const unzipped = join(directory, "unzipped", "uploads");
  const files = ["clip.mp4", "deep/er/still/photo.jpg", "zero", "same.txt", "2024/0.txt"];
  for (const name of files) {
    assert.ok(readFileSync(join(unzipped, name)).equals(readFileSync(join(uploads, name))), name);
    const [is, was] = [lstatSync(join(unzipped, name)), lstatSync(join(uploads, name))];
    assert.equal(is.mode, was.mode, name);
    assert.ok(Math.abs(is.mtimeMs - was.mtimeMs) < 1000, name);
  }
  assert.equal(readlinkSync(join(unzipped, "latest")), "2024/0.txt");
});

test("unzip and Python read members and zips of more than 4 GiB", async (context) => {
  const directory = mkdtempSync(join(tmpdir(), "vertex-backup-zip-"));
  context.after(() => rmSync(directory, { recursive: true }));
  const sizeBytes = 4 * 1024 ** 3 + 12_345;
  const zeros = Buffer.alloc(8 * 1024 * 1024);
  const large = async function* (): AsyncGenerator<Uint8Array> {
    for (let left = sizeBytes; left > 0; left -= zeros.length) yield zeros.subarray(0, left);
  };
  const small = async function* (): AsyncGenerator<Uint8Array> {
    yield Buffer.from("end");
  };
  const items = async function* (): AsyncGenerator<PackedItem> {
    yield item("large", sizeBytes, large());
    yield item("small", 3, small());
  };
  const path = await writeZip(directory, items());
  assert.equal(python(path), `2 ${sizeBytes + 3} small`);
  assert.match(execFileSync("unzip", ["-tq", path], { encoding: "utf8" }), /No errors/);
  const end = execFileSync("unzip", ["-p", path, "small"]);
  assert.equal(
    createHash("sha256").update(end).digest("hex"),
    createHash("sha256").update("end").digest("hex"),
  );
});

test("unzip and Python read zips of more than 65,535 members", async (context) => {
  const directory = mkdtempSync(join(tmpdir(), "vertex-backup-zip-"));
  context.after(() => rmSync(directory, { recursive: true }));
  const items = async function* (): AsyncGenerator<PackedItem> {
    for (let n = 0; n < 70_000; n++) {
      const content = async function* (): AsyncGenerator<Uint8Array> {
        yield Buffer.from(String(n));
      };
      yield item(`dir/${n}`, String(n).length, content());
    }
  };
  const path = await writeZip(directory, items());
  assert.match(python(path), /^70000 \d+ dir\/69999$/);
  assert.match(execFileSync("unzip", ["-tq", path], { encoding: "utf8" }), /No errors/);
});
