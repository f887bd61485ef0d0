import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import {
  chownSync,
  existsSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { AppFolder } from "../../../test/torture/app-folder.ts";
import { byteStringFromText } from "../../domain/byte-string.ts";
import { isAbort, isBackupError } from "../../domain/error.ts";
import type { CaptureRequest } from "./capture.ts";
import { asOwner } from "./capture-owner.ts";
import { type DatabaseCapturer, openDatabaseCapturer } from "./database-capturer.ts";
import { setImageJournalMode } from "./image-finish.ts";

const never = new AbortController().signal;

/** A capture that waits for a writer for a minute, with a half-made image already there. */
function endless(folder: AppFolder, trust: "declared" | "found" = "declared"): CaptureRequest {
  return {
    path: byteStringFromText(folder.path()),
    imagePath: join(folder.scratch, "image.db"),
    trust,
    check: "quick_check",
    busyTimeoutMs: 60_000,
  };
}

/** A database that a writer of this process holds for itself. */
function heldDatabase(folder: AppFolder): DatabaseSync {
  const app = folder.open("delete");
  app.exec("BEGIN EXCLUSIVE");
  return app;
}

async function untilImageBegins(request: CaptureRequest): Promise<void> {
  while (!existsSync(request.imagePath)) await sleep(5);
}

function childProcesses(): number[] {
  return readFileSync(`/proc/self/task/${process.pid}/children`, "utf8")
    .split(" ")
    .filter(Boolean)
    .map(Number);
}

test("an aborted capture ends at once, with its process and its image", async () => {
  using folder = new AppFolder();
  using _app = heldDatabase(folder);
  await using capturer = await openDatabaseCapturer();
  const stop = new AbortController();
  const request = endless(folder);
  const capturing = capturer.capture(request, () => undefined, stop.signal);
  await untilImageBegins(request);
  assert.equal(childProcesses().length, 1);
  stop.abort();
  await assert.rejects(capturing, isAbort);
  assert.deepEqual(childProcesses(), []);
  assert.deepEqual(readdirSync(folder.scratch), []);
});

test("a killed capture process is an error over a declared database and a refusal over a found one", async () => {
  for (const trust of ["declared", "found"] as const) {
    using folder = new AppFolder();
    using _app = heldDatabase(folder);
    await using capturer = await openDatabaseCapturer();
    const request = endless(folder, trust);
    const capturing = capturer.capture(request, () => undefined, never);
    await untilImageBegins(request);
    process.kill(childProcesses()[0]!, "SIGKILL");
    if (trust === "declared") {
      await assert.rejects(
        capturing,
        (error) => isBackupError(error, "source-unavailable") && error.retryable,
      );
    } else {
      const outcome = await capturing;
      assert.equal(outcome.outcome === "refused" && outcome.reason, "not-a-database");
    }
    assert.deepEqual(readdirSync(folder.scratch), []);
    // The capturer is as good as new.
    assert.equal((await checkOf(capturer, folder)).ok, true);
  }
});

async function checkOf(capturer: DatabaseCapturer, folder: AppFolder): Promise<{ readonly ok: boolean }> {
  const path = join(folder.scratch, "checked.db");
  new DatabaseSync(path).close();
  return await capturer.checkImage(path, "quick_check", never);
}

test("a found database that takes too long is refused", async () => {
  using folder = new AppFolder();
  using _app = heldDatabase(folder);
  await using capturer = await openDatabaseCapturer({ foundLimitMs: 200 });
  const outcome = await capturer.capture(endless(folder, "found"), () => undefined, never);
  assert.equal(outcome.outcome === "refused" && outcome.reason, "too-slow");
});

test("captures beyond the limit wait for their turn, and can be aborted while they do", async () => {
  using folder = new AppFolder();
  using app = heldDatabase(folder);
  await using capturer = await openDatabaseCapturer({ processes: 1 });
  const first = capturer.capture(endless(folder), () => undefined, never);
  await untilImageBegins(endless(folder));
  const stop = new AbortController();
  const second = capturer.capture(
    { ...endless(folder), imagePath: join(folder.scratch, "2") },
    () => undefined,
    stop.signal,
  );
  const third = checkOf(capturer, folder);
  await sleep(50);
  assert.equal(childProcesses().length, 1);
  stop.abort();
  await assert.rejects(second, isAbort);
  app.exec("COMMIT");
  assert.equal((await first).outcome, "captured");
  assert.equal((await third).ok, true);
});

/** A program of its own that does this with a capturer. The caller kills it. */
function startProgram(folder: AppFolder, code: string): ChildProcess {
  const script = join(folder.scratch, "program.ts");
  const module = new URL("./database-capturer.ts", import.meta.url).href;
  writeFileSync(
    script,
    `import { openDatabaseCapturer } from ${JSON.stringify(module)};
     const capturer = await openDatabaseCapturer();
     const { signal } = new AbortController();
     void ${code};`,
  );
  return fork(script, { stdio: "ignore" });
}

function childOf(program: ChildProcess): number {
  return Number(readFileSync(`/proc/${program.pid}/task/${program.pid}/children`, "utf8"));
}

async function assertEndsWith(program: ChildProcess, child: number): Promise<void> {
  program.kill("SIGKILL");
  await once(program, "exit");
  const deadline = performance.now() + 120_000;
  while (isRunning(child)) {
    assert.ok(performance.now() < deadline, "the capture process outlived its program");
    await sleep(20);
  }
}

test("a capture process ends when the program that started it is killed", async () => {
  using folder = new AppFolder();
  using _app = heldDatabase(folder);
  const program = startProgram(
    folder,
    `capturer.capture(${JSON.stringify(endless(folder))}, () => undefined, signal)`,
  );
  await untilImageBegins(endless(folder));
  await assertEndsWith(program, childOf(program));
});

test("a capture process ends with its program in the middle of a check too, when no event gets through to it", async () => {
  using folder = new AppFolder();
  const path = join(folder.scratch, "slow.db");
  makeSlowToCheck(path);
  const program = startProgram(
    folder,
    `capturer.checkImage(${JSON.stringify(path)}, "integrity_check", signal)`,
  );
  try {
    let child = 0;
    // From when it opens the database on it is at the check, which takes ten minutes.
    for (; child === 0 || !hasOpen(child, path); await sleep(5)) child = childOf(program);
    await assertEndsWith(program, child);
  } finally {
    program.kill("SIGKILL");
  }
});

/** Each row takes a check a tenth of a second, to compute what an index should say of it. */
function makeSlowToCheck(path: string): void {
  using database = new DatabaseSync(path, { defensive: false });
  database.exec(`
    CREATE TABLE t (x INTEGER);
    CREATE INDEX i ON t (x);
    INSERT INTO t WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 6000) SELECT x FROM n;
    PRAGMA writable_schema = ON;
    UPDATE sqlite_schema SET sql = 'CREATE INDEX i ON t (x + 0 * length(hex(zeroblob(10000000 + x))))' WHERE name = 'i';
  `);
}

function hasOpen(pid: number, path: string): boolean {
  const folder = `/proc/${pid}/fd`;
  return readdirSync(folder).some((fd) => {
    try {
      return readlinkSync(join(folder, fd)) === realpathSync(path);
    } catch {
      return false;
    }
  });
}

function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

test("a capture process sees nothing of the program's environment", async () => {
  using folder = new AppFolder();
  using _app = heldDatabase(folder);
  await using capturer = await openDatabaseCapturer();
  process.env["VERTEX_TEST_SECRET"] = "hunter2";
  const request = endless(folder);
  const stop = new AbortController();
  const capturing = capturer.capture(request, () => undefined, stop.signal);
  await untilImageBegins(request);
  const environment = readFileSync(`/proc/${childProcesses()[0]}/environ`, "utf8");
  assert.doesNotMatch(environment, /hunter2|PATH=/);
  stop.abort();
  await assert.rejects(capturing, isAbort);
});

test("checkImage() finds damage, and is not misled by what lies beside the image", async () => {
  using folder = new AppFolder();
  folder.leaveLog(["", "-wal"]);
  await using capturer = await openDatabaseCapturer();
  // Without its log this database has no table yet, and that is sound.
  assert.equal((await capturer.checkImage(folder.path(), "integrity_check", never)).ok, true);
  folder.open("delete", { name: "bad.db", rows: 1000 }).close();
  const bytes = readFileSync(folder.path("bad.db"));
  bytes.fill(0xff, 4096 * 3, 4096 * 6);
  writeFileSync(folder.path("bad.db"), bytes);
  const check = await capturer.checkImage(folder.path("bad.db"), "quick_check", never);
  assert.equal(check.ok, false);
  assert.ok(check.messages.length > 0 && check.messages.length <= 10);
  assert.deepEqual(readdirSync(folder.app).sort(), ["app.db", "app.db-wal", "bad.db"]);
});

test("columnValues() gives texts, numbers and blobs in order and leaves NULLs out", async () => {
  using folder = new AppFolder();
  await using capturer = await openDatabaseCapturer();
  const path = folder.path("files.db");
  {
    using db = new DatabaseSync(path);
    db.exec(`CREATE TABLE "odd ""table" ("the column" ANY);
      INSERT INTO "odd ""table" VALUES ('a/ü.png'), (NULL), (9007199254740993), (x'622f632e706e67');
      WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 2500)
        INSERT INTO "odd ""table" SELECT 'f' || n FROM s`);
  }
  const batches = await Array.fromAsync(capturer.columnValues(path, 'odd "table', "the column", never));
  assert.deepEqual(batches.flat().slice(0, 4), ["a/ü.png", "9007199254740993", "b/c.png", "f1"]);
  assert.equal(batches.flat().length, 2503);
  assert.ok(batches.length >= 3);
});

test("columnValues() may be left half-way, and says what is not there", async () => {
  using folder = new AppFolder();
  folder.open("delete", { rows: 3000 }).close();
  await using capturer = await openDatabaseCapturer({ processes: 1 });
  for await (const batch of capturer.columnValues(folder.path(), "t", "a", never)) {
    assert.equal(batch.length, 1000);
    break;
  }
  for (const [table, column] of [
    ["t", "missing"],
    ["missing", "a"],
    ["t", 'a" FROM t; --'],
  ] as const) {
    const reading = Array.fromAsync(capturer.columnValues(folder.path(), table, column, never));
    await assert.rejects(reading, (error) => isBackupError(error, "invalid-input"));
  }
});

test("asOwner() has the owner's rights inside and root's again afterwards, also after an error", () => {
  using folder = new AppFolder();
  writeFileSync(folder.path(), "");
  if (process.geteuid?.() === 0) chownSync(folder.path(), 12345, 12345);
  const stat = statSync(folder.path(), { bigint: true });
  const before = process.geteuid?.();
  assert.equal(
    asOwner(stat, () => process.geteuid?.()),
    Number(stat.uid),
  );
  assert.throws(
    () =>
      asOwner(stat, () => {
        throw new Error("no");
      }),
    /no/,
  );
  assert.equal(process.geteuid?.(), before);
});

test("setImageJournalMode() turns WAL on in a restored file and leaves other files alone", async () => {
  using folder = new AppFolder();
  folder.open("delete").close();
  await setImageJournalMode(folder.path(), "wal");
  {
    using db = new DatabaseSync(folder.path());
    assert.equal(db.prepare("PRAGMA journal_mode").get()?.["journal_mode"], "wal");
  }
  const text = folder.path("notes.txt");
  writeFileSync(text, "no database at all, only a text of some length");
  await setImageJournalMode(text, "wal");
  assert.equal(readFileSync(text, "utf8"), "no database at all, only a text of some length");
});
