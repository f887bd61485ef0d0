import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { namesSuperJournal } from "./journal.ts";
import { sidecarKind } from "./sidecar.ts";
import { currentGenerationBytes, firstFrameIsValid, parseWalHeader, walFrameHeaderBytes } from "./wal.ts";

/** Runs SQL on a database kept open, and hands over the bytes of one of its sidecars as SQLite wrote them. */
function sidecarOf(suffix: string, sql: string): Buffer {
  const folder = mkdtempSync(join(tmpdir(), "vertex-sidecar-"));
  try {
    using db = new DatabaseSync(join(folder, "a.db"));
    db.exec(sql);
    const bytes = readFileSync(join(folder, `a.db${suffix}`));
    if (db.isTransaction) db.exec("ROLLBACK");
    return bytes;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const spilledTransaction = `PRAGMA cache_size=2; CREATE TABLE t (a);
  WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 40)
    INSERT INTO t SELECT randomblob(3000) FROM s;
  BEGIN; UPDATE t SET a = randomblob(3000)`;

test("sidecarKind() knows the sidecars SQLite writes", () => {
  const wal = "PRAGMA journal_mode=wal; CREATE TABLE t (a)";
  assert.equal(sidecarKind("-wal", sidecarOf("-wal", wal)), "wal");
  assert.equal(sidecarKind("-shm", sidecarOf("-shm", wal)), "shm");
  assert.equal(sidecarKind("-journal", sidecarOf("-journal", spilledTransaction)), "journal");
  const persist = sidecarOf("-journal", "PRAGMA journal_mode=persist; CREATE TABLE t (a)");
  assert.equal(sidecarKind("-journal", persist), "journal");
  assert.equal(sidecarKind("-journal", Buffer.alloc(0)), "journal");
});

test("sidecarKind() is not fooled by a name", () => {
  const holiday = Buffer.from("a text that somebody called holiday.db-wal, of all names");
  for (const suffix of ["-wal", "-shm", "-journal", ""])
    assert.equal(sidecarKind(suffix, holiday), undefined);
  assert.equal(sidecarKind(".bak", Buffer.alloc(0)), undefined);
  assert.equal(sidecarKind("-journal", Buffer.alloc(5)), undefined);
});

test("firstFrameIsValid() believes SQLite's log and no other", () => {
  const log = sidecarOf("-wal", "PRAGMA page_size=512; PRAGMA journal_mode=wal; CREATE TABLE t (a)");
  assert.equal(parseWalHeader(log)?.pageSizeBytes, 512);
  assert.equal(firstFrameIsValid(log), true);
  for (const at of [0, 9, 16, 25, 32, 40, 48, 56, 100, 567]) {
    const flipped = Buffer.from(log);
    flipped[at]! ^= 0x10;
    assert.equal(firstFrameIsValid(flipped), false, `byte ${at}`);
  }
  assert.equal(firstFrameIsValid(log.subarray(0, 400)), false);
});

test("currentGenerationBytes() ends where an earlier generation of the log begins", () => {
  const log = sidecarOf(
    "-wal",
    "PRAGMA page_size=512; PRAGMA journal_mode=wal; CREATE TABLE t (a); CREATE TABLE u (a)",
  );
  const header = parseWalHeader(log)!;
  const bytesFor = (file: Buffer): number =>
    currentGenerationBytes(header, file.length, (at) => file.subarray(at, at + walFrameHeaderBytes));
  assert.equal(bytesFor(log), log.length);
  const frame = walFrameHeaderBytes + 512;
  for (let old = 1; old <= 7; old++) {
    const stale = Buffer.alloc(frame * old, 7);
    assert.equal(bytesFor(Buffer.concat([log, stale])), log.length, `${old} stale frames`);
  }
  assert.equal(bytesFor(log.subarray(0, 32)), 32);
});

test("namesSuperJournal() looks at the last eight bytes", () => {
  const magic = Buffer.from("d9d505f920a163d7", "hex");
  assert.equal(namesSuperJournal(Buffer.concat([Buffer.alloc(100), magic])), true);
  assert.equal(namesSuperJournal(Buffer.concat([magic, Buffer.alloc(1)])), false);
  assert.equal(namesSuperJournal(Buffer.alloc(0)), false);
});
