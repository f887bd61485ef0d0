import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { type CommittedPages, committedPages, walFrameHeaderBytes, walHeaderBytes } from "./wal.ts";

const pageSize = 1024;
const frameBytes = walFrameHeaderBytes + pageSize;

/** The log of three transactions that each change page 2, the last of them three pages more. */
function makeLog(): Buffer {
  const folder = mkdtempSync(join(tmpdir(), "vertex-wal-"));
  try {
    const path = join(folder, "app.db");
    using app = new DatabaseSync(path);
    app.exec(`PRAGMA page_size=${pageSize}; PRAGMA journal_mode=wal; CREATE TABLE t (a, b)`);
    app.exec("PRAGMA wal_checkpoint(TRUNCATE); INSERT INTO t VALUES (1, 'one')");
    app.exec("INSERT INTO t VALUES (2, 'two')");
    app.exec("INSERT INTO t VALUES (3, randomblob(2500))");
    return readFileSync(`${path}-wal`);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function commitsOf(log: Buffer): number[] {
  const frames = Array.from({ length: (log.length - walHeaderBytes) / frameBytes }, (_, i) => i);
  return frames.filter((i) => log.readUInt32BE(walHeaderBytes + i * frameBytes + 4) !== 0);
}

/** Which frame each page comes from. */
function frames(found: CommittedPages | undefined): [number, number][] | undefined {
  const frameOf = (place: number): number => (place - walFrameHeaderBytes - walHeaderBytes) / frameBytes;
  return found && [...found.places].map(([page, place]) => [page, frameOf(place)]);
}

test("committedPages() finds the newest version of each page up to the last commit", () => {
  const log = makeLog();
  const commits = commitsOf(log);
  assert.equal(commits.length, 3);
  const whole = committedPages(log);
  assert.equal(whole?.pageSizeBytes, pageSize);
  assert.equal(whole.pageCount, log.readUInt32BE(walHeaderBytes + (commits.at(-1) ?? 0) * frameBytes + 4));
  assert.ok(whole.places.size > 3);
  const second = frames(committedPages(log.subarray(0, walHeaderBytes + 2 * frameBytes)));
  assert.deepEqual(second, [[2, 1]]);
});

test("committedPages() leaves out what no commit follows, whatever the reason", () => {
  const log = makeLog();
  const last = (commitsOf(log).at(-1) ?? 0) * frameBytes + walHeaderBytes;
  const upTo = (end: number): Buffer => Buffer.from(log.subarray(0, end));
  const spoilt = (position: number): Buffer => {
    const copy = Buffer.from(log);
    copy[position] = (copy[position] ?? 0) ^ 1;
    return copy;
  };
  const third = walHeaderBytes + 2 * frameBytes;
  const broken = {
    "the commit frame is missing": upTo(last),
    "the commit frame is cut off": upTo(log.length - 1),
    "its page is torn": spoilt(log.length - 1),
    "its checksum is wrong": spoilt(last + 16),
    "its salt is another generation's": spoilt(last + 8),
    "a frame before it is torn": spoilt(third + walFrameHeaderBytes + 100),
  };
  for (const [why, bytes] of Object.entries(broken))
    assert.deepEqual(frames(committedPages(bytes)), [[2, 1]], why);
});

test("committedPages() finds nothing in a log that is empty or has no valid header", () => {
  const log = makeLog();
  assert.equal(committedPages(Buffer.alloc(0)), undefined);
  assert.equal(committedPages(log.subarray(0, walHeaderBytes)), undefined);
  assert.equal(committedPages(log.subarray(0, walHeaderBytes + frameBytes - 1)), undefined);
  const spoilt = Buffer.from(log);
  spoilt[16] = (spoilt[16] ?? 0) ^ 1;
  assert.equal(committedPages(spoilt), undefined);
});
