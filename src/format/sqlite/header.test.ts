import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { fc } from "../../testing/properties.ts";
import { isSqliteHeader, parseDatabaseHeader, versionBytes } from "./header.ts";

function withDatabase(sql: string, check: (bytes: Uint8Array) => void): void {
  const folder = mkdtempSync(join(tmpdir(), "vertex-header-"));
  try {
    const path = join(folder, "a.db");
    using db = new DatabaseSync(path);
    db.exec(sql);
    check(readFileSync(path));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

for (const pageSize of [512, 1024, 4096, 65_536]) {
  test(`parseDatabaseHeader() reads a header that SQLite wrote with pages of ${pageSize}`, () => {
    withDatabase(`PRAGMA page_size=${pageSize}; CREATE TABLE t (a)`, (bytes) => {
      const header = parseDatabaseHeader(bytes);
      assert.equal(header?.pageSizeBytes, pageSize);
      assert.equal(header.pageCount, bytes.length / pageSize);
      assert.equal(header.changeCounter, 1);
      assert.equal(header.isWal, false);
    });
  });
}

test("parseDatabaseHeader() knows a WAL database", () => {
  withDatabase("PRAGMA journal_mode=wal", (bytes) => assert.equal(parseDatabaseHeader(bytes)?.isWal, true));
});

test("parseDatabaseHeader() refuses page sizes SQLite does not have", () => {
  withDatabase("CREATE TABLE t (a)", (bytes) => {
    for (const stored of [0, 2, 256, 513, 4097]) {
      const bad = Uint8Array.from(bytes.subarray(0, 100));
      new DataView(bad.buffer).setUint16(16, stored);
      assert.equal(parseDatabaseHeader(bad), undefined);
    }
  });
});

test("parseDatabaseHeader() survives any bytes", () => {
  const magic = Buffer.from("SQLite format 3\0");
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 120 }), fc.boolean(), (bytes, withMagic) => {
      const header = parseDatabaseHeader(withMagic ? Buffer.concat([magic, bytes]) : bytes);
      return header === undefined || (header.pageSizeBytes >= 512 && header.pageSizeBytes <= 65_536);
    }),
  );
});

test("isSqliteHeader() wants all 16 bytes", () => {
  assert.equal(isSqliteHeader(Buffer.from("SQLite format 3\0")), true);
  assert.equal(isSqliteHeader(Buffer.from("SQLite format 3")), false);
  assert.equal(isSqliteHeader(Buffer.from("SQLite format 4\0....")), false);
});

test("versionBytes() are 2 for WAL and 1 for every other mode", () => {
  assert.deepEqual(versionBytes("wal"), Uint8Array.of(2, 2));
  for (const mode of ["delete", "truncate", "persist", "memory", "off"]) {
    assert.deepEqual(versionBytes(mode), Uint8Array.of(1, 1));
  }
});
