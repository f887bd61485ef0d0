import assert from "node:assert/strict";
import { test } from "node:test";
import { extract, type Header } from "tar-stream";
import { isBackupError } from "../../domain/error.ts";
import { fc } from "../../testing/properties.ts";
import type { TarMember } from "./tar-header.ts";
import { encodeTarHeader, tarHeaderBytesMax, tarNameBytesMax } from "./tar-header.ts";
import { applyPaxRecords, parsePaxRecords, parseTarBlock } from "./tar-parse.ts";

const plain: TarMember = {
  kind: "file",
  name: "data/a.txt",
  mode: 0o644,
  uid: 1000,
  gid: 1000,
  mtimeNs: 1_700_000_000_000_000_000n,
  sizeBytes: 0,
  userName: "app",
  groupName: "app",
};

/** What tar-stream makes of a header: a reader that is not ours. */
async function readByOthers(member: TarMember): Promise<Header> {
  const buffer = Buffer.alloc(tarHeaderBytesMax + 1024);
  const length = encodeTarHeader(member, buffer, 0);
  const unpack = extract();
  unpack.end(Buffer.concat([buffer.subarray(0, length), Buffer.alloc(1024)]));
  for await (const entry of unpack) return entry.header;
  throw new assert.AssertionError({ message: "no entry came out" });
}

test("encodeTarHeader() uses one ustar block where that holds everything", async () => {
  assert.equal(encodeTarHeader(plain, Buffer.alloc(tarHeaderBytesMax), 0), 512);
  const header = await readByOthers(plain);
  assert.equal(header.name, "data/a.txt");
  assert.equal(header.uname, "app");
  assert.equal(header.mtime?.getTime(), 1_700_000_000_000);
});

test("encodeTarHeader() keeps in PAX records what ustar cannot hold", async () => {
  const header = await readByOthers({
    ...plain,
    kind: "symlink",
    name: `data/${"é".repeat(200)}`.replaceAll("é", "\xc3\xa9"),
    linkTarget: "x".repeat(150),
    uid: 3_000_000,
    mtimeNs: -1_500_000_000n,
  });
  assert.equal(header.name, `data/${"é".repeat(200)}`);
  assert.equal(header.linkname, "x".repeat(150));
  assert.equal(header.type, "symlink");
  const { uid, mtime } = header.pax as { uid?: string; mtime?: string };
  assert.deepEqual({ uid, mtime }, { uid: "3000000", mtime: "-1.5" });
});

test("encodeTarHeader() refuses names no file system of ours has", () => {
  const member = { ...plain, name: "x".repeat(tarNameBytesMax + 1) };
  assert.throws(
    () => encodeTarHeader(member, Buffer.alloc(tarHeaderBytesMax), 0),
    (error) => isBackupError(error, "unsupported"),
  );
});

const names = fc
  .uint8Array({ minLength: 1, maxLength: 300 })
  .map((bytes) =>
    Buffer.from(bytes.map((byte) => (byte === 0 || byte === 0x2f ? 0x61 : byte))).toString("latin1"),
  );

test("encodeTarHeader() loses nothing: what it wrote is read back as it was", () => {
  const member = fc.record({
    kind: fc.constant<"file">("file"),
    name: names,
    mode: fc.nat(0o7777),
    uid: fc.nat(0x7fffffff),
    gid: fc.nat(0x7fffffff),
    mtimeNs: fc.bigInt(-(2n ** 62n), 2n ** 62n),
    sizeBytes: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
    userName: fc.constant(""),
    groupName: fc.constant(""),
  });
  fc.assert(
    fc.property(member, (given) => {
      const buffer = Buffer.alloc(tarHeaderBytesMax, 0xaa);
      const length = encodeTarHeader(given, buffer, 0);
      const block = parseTarBlock(buffer.subarray(length - 512, length));
      assert.ok(block !== undefined);
      const records =
        length > 512 ? parsePaxRecords(buffer.subarray(512, length - 512)) : new Map<string, string>();
      const read = applyPaxRecords(block, records);
      const { name, mode, uid, gid, mtimeNs, sizeBytes } = read;
      assert.deepEqual(
        { name, mode, uid, gid, mtimeNs, sizeBytes },
        {
          name: given.name,
          mode: given.mode,
          uid: given.uid,
          gid: given.gid,
          mtimeNs: given.mtimeNs,
          sizeBytes: given.sizeBytes,
        },
      );
    }),
  );
});
