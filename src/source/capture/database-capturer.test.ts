import assert from "node:assert/strict";
import {
  chmodSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, test } from "node:test";
import { AppFolder, content } from "../../../test/torture/app-folder.ts";
import { asByteString, byteStringFromText } from "../../domain/byte-string.ts";
import { isBackupError } from "../../domain/error.ts";
import { parseDatabaseHeader } from "../../format/sqlite/header.ts";
import type { CapturedImage, CaptureOutcome, CaptureRefusal, CaptureRequest } from "./capture.ts";
import { openDatabaseCapturer } from "./database-capturer.ts";

const capturer = await openDatabaseCapturer();
after(() => capturer[Symbol.asyncDispose]());
const signal = new AbortController().signal;
const hundredRows = { rows: 100, sum: 5050 };

type Wishes = Partial<Omit<CaptureRequest, "path" | "imagePath">>;

function request(folder: AppFolder, path: string, wishes: Wishes = {}): CaptureRequest {
  return {
    path: byteStringFromText(path),
    imagePath: join(folder.scratch, "image.db"),
    trust: "declared",
    check: "integrity_check",
    busyTimeoutMs: 120_000,
    ...wishes,
  };
}

/** Captures and requires that the app's folder stayed as it was (I9) and nothing but the image was left in the scratch folder. */
async function capture(
  folder: AppFolder,
  wishes: Wishes = {},
  path: string = folder.path(),
): Promise<CaptureOutcome> {
  const before = folder.record();
  const asked = request(folder, path, wishes);
  const outcome = await capturer.capture(asked, () => undefined, signal);
  assert.deepEqual(folder.record(), before, "the app's folder was touched");
  const left = outcome.outcome === "captured" ? [basename(asked.imagePath)] : [];
  assert.deepEqual(readdirSync(folder.scratch), left);
  return outcome;
}

function imageOf(outcome: CaptureOutcome): CapturedImage {
  assert.equal(outcome.outcome, "captured", outcome.outcome === "refused" ? outcome.message : "");
  return (outcome as Extract<CaptureOutcome, { outcome: "captured" }>).image;
}

function refusalOf(outcome: CaptureOutcome): CaptureRefusal {
  assert.equal(outcome.outcome, "refused");
  return (outcome as Extract<CaptureOutcome, { outcome: "refused" }>).reason;
}

function assertSound(image: CapturedImage, expected: { rows: number; sum: number } = hundredRows): void {
  assert.deepEqual(image.check, { method: "integrity_check", ok: true, messages: [] });
  assert.deepEqual(content(image.imagePath), expected);
  assert.equal(parseDatabaseHeader(readFileSync(image.imagePath))?.isWal, false);
  assert.equal(statSync(image.imagePath).mode & 0o777, 0o600);
  assert.equal(image.sizeBytes, statSync(image.imagePath).size);
}

for (const trust of ["declared", "found"] as const) {
  for (const mode of ["wal", "delete", "truncate", "persist"]) {
    test(`capture() images a ${trust} ${mode} database that an app has open`, async () => {
      using folder = new AppFolder();
      using _app = folder.open(mode);
      const image = imageOf(await capture(folder, { trust }));
      assertSound(image);
      assert.equal(image.journalMode, mode);
      assert.equal(image.method, mode === "wal" ? "pinned-read" : "one-step");
    });
  }
}

for (const pageSize of [512, 65_536]) {
  for (const mode of ["wal", "delete"]) {
    test(`capture() images a ${mode} database with pages of ${pageSize}`, async () => {
      using folder = new AppFolder();
      using _app = folder.open(mode, { pageSize });
      const image = imageOf(await capture(folder));
      assertSound(image);
      assert.equal(image.pageSizeBytes, pageSize);
    });
  }
}

test("capture() copies a large rollback-mode database before it takes the lock", async () => {
  using folder = new AppFolder();
  using app = folder.open("delete");
  app.exec("CREATE TABLE big (a); INSERT INTO big VALUES (zeroblob(34000000))");
  const seen: number[] = [];
  const asked = request(folder, folder.path());
  const outcome = await capturer.capture(asked, (done, total) => seen.push(done / total), signal);
  assert.equal(imageOf(outcome).method, "pre-copy");
  assertSound(imageOf(outcome));
  assert.equal(seen.at(-1), 1);
  assert.deepEqual(readFileSync(asked.imagePath), readFileSync(folder.path()));
});

test("capture() of a WAL database nobody has open leaves no sidecar in the app's folder", async () => {
  using folder = new AppFolder();
  folder.open("wal").close();
  await folder.settle();
  const image = imageOf(await capture(folder));
  assertSound(image);
  assert.equal(image.method, "scratch-copy");
  assert.equal(image.journalMode, "wal");
});

test("the check of the app's folder notices what a plain read-only open leaves there", async () => {
  using folder = new AppFolder();
  folder.open("wal").close();
  const before = folder.record();
  using db = new DatabaseSync(folder.path(), { readOnly: true });
  db.prepare("SELECT count(*) FROM t").get();
  assert.notDeepEqual(folder.record(), before);
});

for (const suffixes of [
  ["", "-wal"],
  ["", "-wal", "-shm"],
]) {
  for (const trust of ["declared", "found"] as const) {
    test(`capture() of a ${trust} database reads the log a killed app left (files: ${suffixes.join(" ")})`, async () => {
      using folder = new AppFolder();
      folder.leaveLog(suffixes);
      await folder.settle();
      const image = imageOf(await capture(folder, { trust }));
      assertSound(image);
      assert.equal(image.journalMode, "wal");
    });
  }
}

for (const trust of ["declared", "found"] as const) {
  test(`capture() of a ${trust} database rolls a hot journal back on a copy and says so`, async () => {
    using folder = new AppFolder();
    folder.leaveHotJournal();
    assert.notDeepEqual(content(folder.path()), hundredRows);
    const image = imageOf(await capture(folder, { trust }));
    assertSound(image);
    assert.equal(image.method, "rolled-back-copy");
    assert.match(image.warnings[0] ?? "", /rolled back on a copy/);
  });

  test(`capture() of a ${trust} database refuses a journal that names other files, and they stay`, async () => {
    using folder = new AppFolder();
    folder.leaveHotJournal();
    const victim = folder.path("precious");
    writeFileSync(victim, "somebody else's");
    writeFileSync(
      folder.path("app.db-journal"),
      withSuperJournal(readFileSync(folder.path("app.db-journal")), victim),
    );
    assert.equal(refusalOf(await capture(folder, { trust })), "unsafe-journal");
    assert.equal(readFileSync(victim, "utf8"), "somebody else's");
  });
}

/** Ends a journal as SQLite does for a transaction over several files. */
function withSuperJournal(journal: Buffer, name: string): Buffer {
  const bytes = Buffer.from(name);
  const tail = Buffer.alloc(16);
  tail.writeUInt32BE(bytes.length, 0);
  tail.writeUInt32BE(
    bytes.reduce((sum, byte) => sum + byte, 0),
    4,
  );
  Buffer.from("d9d505f920a163d7", "hex").copy(tail, 8);
  return Buffer.concat([journal, Buffer.alloc(4), bytes, tail]);
}

test("capture() of a found database goes through no link, of a declared one it does", async () => {
  using folder = new AppFolder();
  folder.open("delete").close();
  symlinkSync(folder.path(), folder.path("link.db"));
  assert.equal(refusalOf(await capture(folder, { trust: "found" }, folder.path("link.db"))), "unreadable");
  const declared = await capture(folder, {}, folder.path("link.db"));
  assert.equal(declared.outcome, "captured");
});

test("capture() refuses sidecars that are links", async () => {
  using folder = new AppFolder();
  folder.open("delete").close();
  writeFileSync(folder.path("secret"), "secret");
  symlinkSync(folder.path("secret"), folder.path("app.db-journal"));
  assert.equal(refusalOf(await capture(folder, { trust: "found" })), "unsafe-journal");
  linkSync(folder.path("secret"), folder.path("app.db-wal"));
  assert.equal(refusalOf(await capture(folder, { trust: "found" })), "unsafe-journal");
});

test("capture() of a found database is not filled up by a log that claims four thousand million pages", async () => {
  using folder = new AppFolder();
  folder.leaveLog(["", "-wal"]);
  writeFileSync(folder.path("app.db-wal"), claimPages(readFileSync(folder.path("app.db-wal")), 0x3fff_ffff));
  await folder.settle();
  assert.equal(refusalOf(await capture(folder, { trust: "found" })), "not-a-database");
});

/** Gives every commit of a log another page count, with checksums that are right again. */
function claimPages(log: Buffer, pages: number): Buffer {
  const forged = Buffer.from(log);
  const pageSize = forged.readUInt32BE(8);
  const little = forged.readUInt32BE(0) === 0x377f0682;
  let sum: [number, number] = [forged.readUInt32BE(24), forged.readUInt32BE(28)];
  for (let at = 32; at + 24 + pageSize <= forged.length; at += 24 + pageSize) {
    if (forged.readUInt32BE(at + 4) !== 0) forged.writeUInt32BE(pages, at + 4);
    sum = checksum(sum, forged.subarray(at, at + 8), little);
    sum = checksum(sum, forged.subarray(at + 24, at + 24 + pageSize), little);
    forged.writeUInt32BE(sum[0], at + 16);
    forged.writeUInt32BE(sum[1], at + 20);
  }
  return forged;
}

function checksum(start: [number, number], bytes: Buffer, little: boolean): [number, number] {
  let [s0, s1] = start;
  for (let i = 0; i < bytes.length; i += 8) {
    s0 = (s0 + (little ? bytes.readUInt32LE(i) : bytes.readUInt32BE(i)) + s1) >>> 0;
    s1 = (s1 + (little ? bytes.readUInt32LE(i + 4) : bytes.readUInt32BE(i + 4)) + s0) >>> 0;
  }
  return [s0, s1];
}

test("capture() gives an empty image of an empty file", async () => {
  using folder = new AppFolder();
  writeFileSync(folder.path(), "");
  const image = imageOf(await capture(folder));
  assert.equal(image.method, "empty");
  assert.equal(image.sizeBytes, 0);
  assert.equal(image.check.ok, true);
});

for (const [what, bytes] of [
  ["only starts like SQLite", Buffer.from(`SQLite format 3\0${"no database. ".repeat(100)}`)],
  ["is encrypted", Buffer.alloc(8192, 0xa7)],
] as const) {
  test(`capture() of a file that ${what} refuses a found one and keeps the bytes of a declared one`, async () => {
    using folder = new AppFolder();
    writeFileSync(folder.path(), bytes);
    assert.equal(refusalOf(await capture(folder, { trust: "found" })), "not-a-database");
    const image = imageOf(await capture(folder));
    assert.equal(image.method, "raw-copy");
    assert.equal(image.check.ok, false);
    assert.deepEqual(readFileSync(image.imagePath), bytes);
  });
}

test("capture() keeps a declared database whose pages are damaged, and says that it is", async () => {
  using folder = new AppFolder();
  folder.open("delete", { rows: 1000 }).close();
  const bytes = readFileSync(folder.path());
  bytes.fill(0xff, 4096 * 3, 4096 * 6);
  writeFileSync(folder.path(), bytes);
  const image = imageOf(await capture(folder));
  assert.equal(image.check.ok, false);
  assert.notEqual(image.check.messages.length, 0);
  assert.deepEqual(readFileSync(image.imagePath), bytes);
});

test("capture() says what is missing, what is no file and what cannot be read", async () => {
  using folder = new AppFolder();
  assert.equal(refusalOf(await capture(folder)), "missing");
  mkdirSync(folder.path());
  assert.equal(refusalOf(await capture(folder)), "unreadable");
});

test("capture() waits for a writer, and refuses as busy when it does not give way in time", async () => {
  using folder = new AppFolder();
  using app = folder.open("delete");
  app.exec("BEGIN EXCLUSIVE");
  const started = performance.now();
  assert.equal(refusalOf(await capture(folder, { busyTimeoutMs: 300 })), "busy");
  assert.ok(performance.now() - started >= 290);
  const waiting = capturer.capture(request(folder, folder.path()), () => undefined, signal);
  setTimeout(() => app.exec("COMMIT"), 100);
  assertSound(imageOf(await waiting));
});

test("capture() of a large database in exclusive locking mode copies nothing in vain, and names who keeps it locked", async () => {
  using folder = new AppFolder();
  using app = folder.open("delete");
  app.exec("CREATE TABLE large (bytes); INSERT INTO large VALUES (zeroblob(40000000))");
  app.exec(
    "PRAGMA locking_mode=EXCLUSIVE; DELETE FROM large WHERE bytes IS NULL; INSERT INTO large VALUES (1)",
  );
  let copied = 0;
  const report = (done: number): void => {
    copied = Math.max(copied, done);
  };
  const asked = request(folder, folder.path(), { busyTimeoutMs: 200 });
  const outcome = await capturer.capture(asked, report, signal);
  assert.equal(refusalOf(outcome), "busy");
  assert.equal(copied, 0);
  assert.match(
    outcome.outcome === "refused" ? outcome.message : "",
    new RegExp(
      `database is locked: (process ${process.pid}|another program) kept it .*locking_mode=EXCLUSIVE`,
    ),
  );
});

test("capture() goes to the real file of a link, where its sidecars are", async () => {
  using folder = new AppFolder();
  using _app = folder.open("wal");
  const link = join(folder.scratch, "..", "link.db");
  symlinkSync(folder.path(), link);
  assertSound(imageOf(await capture(folder, {}, link)));
});

test("capture() reads from a folder it may not write to", async () => {
  using folder = new AppFolder();
  folder.leaveLog(["", "-wal"]);
  await folder.settle();
  chmodSync(folder.app, 0o555);
  try {
    assertSound(imageOf(await capture(folder)));
  } finally {
    chmodSync(folder.app, 0o755);
  }
});

test("capture() takes names that are not UTF-8 and names with everything URIs mind", async () => {
  using folder = new AppFolder();
  const name = "a b%20?mode=memory#ü.db";
  using _app = folder.open("wal", { name });
  assertSound(imageOf(await capture(folder, {}, folder.path(name))));
  const bytes = Buffer.concat([Buffer.from(`${folder.app}/`), Buffer.from([0xff, 0xfe])]);
  writeFileSync(bytes, readFileSync(folder.path(name)));
  const imagePath = join(folder.scratch, "second.db");
  const asked = { ...request(folder, "x"), path: asByteString(bytes.toString("latin1")), imagePath };
  await folder.settle();
  assert.equal((await capturer.capture(asked, () => undefined, signal)).outcome, "captured");
});

test("capture() records mode, owner and time of the live file", async () => {
  using folder = new AppFolder();
  using _app = folder.open("wal");
  chmodSync(folder.path(), 0o640);
  const stat = statSync(folder.path(), { bigint: true });
  const image = imageOf(await capture(folder));
  assert.equal(image.mode, 0o640);
  assert.deepEqual([image.uid, image.gid], [Number(stat.uid), Number(stat.gid)]);
  assert.equal(image.mtimeNs, stat.mtimeNs);
});

test("capture() as root reads a database of another user in a folder of that user", async () => {
  for (const mode of ["wal", "delete"] as const) {
    using folder = new AppFolder();
    using _app = folder.open(mode);
    folder.giveTo(12345);
    assertSound(imageOf(await capture(folder, { trust: "found" })));
  }
});

test("capture() never writes over a file", async () => {
  using folder = new AppFolder();
  using _app = folder.open("wal");
  const asked = request(folder, folder.path());
  writeFileSync(asked.imagePath, "mine");
  const made = capturer.capture(asked, () => undefined, signal);
  await assert.rejects(made, (error) => isBackupError(error, "exists"));
  assert.equal(readFileSync(asked.imagePath, "utf8"), "mine");
});

test("lend() gives a capturer that works with the same processes and does not end them", async () => {
  using folder = new AppFolder();
  using _app = folder.open("wal");
  await using owner = await openDatabaseCapturer({ processes: 1 });
  owner.prepare();
  const lent = owner.lend();
  assertSound(imageOf(await lent.capture(request(folder, folder.path()), () => undefined, signal)));
  await lent[Symbol.asyncDispose]();
  const check = await owner.checkImage(join(folder.scratch, "image.db"), "quick_check", signal);
  assert.ok(check.ok);
});
