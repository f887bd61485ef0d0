import assert from "node:assert/strict";
import { existsSync, linkSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type TestContext, test } from "node:test";
import type { Problem } from "../../domain/backup.ts";
import { type ByteString, byteStringFromText } from "../../domain/byte-string.ts";
import { type Clock, systemClock } from "../../domain/clock.ts";
import type { Entry } from "../../domain/entry.ts";
import type { CaptureOutcome } from "../capture/capture.ts";
import { FoundBudget, foundBudgetMs } from "../found-budget.ts";
import { DatabaseFinder, type WalkedEntry } from "./database-finder.ts";
import { walkFolder } from "./walk-folder.ts";

const signal = new AbortController().signal;
const database = Buffer.concat([Buffer.from("SQLite format 3\0"), Buffer.alloc(1008, 7)]);
const walMagic = Buffer.concat([Buffer.from([0x37, 0x7f, 0x06, 0x82]), Buffer.alloc(28, 1)]);
const journalMagic = Buffer.from("d9d505f920a163d7000000010000000000000000000000000000", "hex");
const shmMagic = Buffer.alloc(64);
shmMagic.writeUInt32LE(3_007_000);

interface Finding {
  readonly entries: readonly Entry[];
  readonly names: readonly string[];
  readonly asked: readonly string[];
  readonly problems: readonly Problem[];
}

function makeRoot(t: TestContext, files: Record<string, string | Uint8Array>): string {
  const root = mkdtempSync(join(tmpdir(), "database-finder-"));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(root, name, ".."), { recursive: true });
    writeFileSync(join(root, name), content);
  }
  return root;
}

function captured(sizeBytes = 4096, ok = true): CaptureOutcome {
  return {
    outcome: "captured",
    image: {
      imagePath: "/nowhere/image",
      sizeBytes,
      pageSizeBytes: 512,
      journalMode: "wal",
      method: "pinned-read",
      check: { method: "quick_check", ok, messages: ok ? [] : ["row 1 missing from index"] },
      mode: 0o644,
      uid: 0,
      gid: 0,
      mtimeNs: 1n,
      warnings: [],
    },
  };
}

function refused(reason: "not-a-database" | "busy" | "missing" | "too-slow"): CaptureOutcome {
  return { outcome: "refused", reason, message: `it is ${reason}` };
}

interface FindOptions {
  readonly capture?: (path: ByteString) => CaptureOutcome;
  readonly plainFiles?: readonly string[];
  readonly settled?: (entry: Entry) => boolean;
  readonly clock?: Clock;
  /** Entries handed over at a time. */
  readonly batch?: number;
}

async function find(root: string, options: FindOptions = {}): Promise<Finding> {
  const asked: string[] = [];
  const problems: Problem[] = [];
  const report = (problem: Problem): void => void problems.push(problem);
  const finder = new DatabaseFinder({
    plainFiles: options.plainFiles ?? [],
    capture: async (path) => {
      asked.push(path.slice(root.length + 1));
      return options.capture?.(path) ?? captured();
    },
    report,
    budget: new FoundBudget(options.clock ?? systemClock),
  });
  const walkOptions = {
    excludes: [],
    oneFileSystem: false,
    excludeCaches: false,
    skip: new Set<ByteString>(),
  };
  const walked = await Array.fromAsync(
    walkFolder({ root: { name: "uploads", path: root }, ...walkOptions }, report, signal),
  );
  const all = walked.flat().map((entry) => ({ entry, settled: options.settled?.(entry) ?? false }));
  const inspected: WalkedEntry[] = [];
  const step = options.batch ?? all.length;
  for (let i = 0; i < all.length; i += step) {
    inspected.push(...(await finder.inspect(all.slice(i, i + step), signal)));
  }
  const entries = inspected.map((each) => each.entry);
  return {
    entries,
    names: entries.map((entry) => entry.path).filter((path) => path !== ""),
    asked,
    problems,
  };
}

test("DatabaseFinder recognises databases by their header, whatever they are called", async (t) => {
  const root = makeRoot(t, {
    "photo.jpg": database,
    "fake.db": "SQLite format 2\0".padEnd(600),
    "short.db": database.subarray(0, 511),
    "empty.db": "",
  });
  const { asked, entries, problems } = await find(root);
  assert.deepEqual(asked, ["photo.jpg"]);
  const photo = entries.find((entry) => entry.path === "photo.jpg");
  assert.deepEqual(photo?.content, { from: "image", path: "/nowhere/image" });
  assert.equal(photo?.sizeBytes, 4096);
  assert.equal(photo?.ctimeNs, 0n);
  assert.deepEqual(problems, []);
});

test("DatabaseFinder leaves out the sidecars of a captured database, with other names and batches in between", async (t) => {
  const root = makeRoot(t, {
    "d/a": database,
    "d/a-between/x": "x",
    "d/a-journal": journalMagic,
    "d/a-other": "x",
    "d/a-shm": shmMagic,
    "d/a-wal": walMagic,
    "d/b-wal": walMagic,
  });
  for (const batch of [1, 2, 100]) {
    const { names } = await find(root, { batch });
    assert.deepEqual(names, ["d", "d/a", "d/a-between", "d/a-between/x", "d/a-other", "d/b-wal"]);
  }
});

test("DatabaseFinder keeps files that only have a sidecar's name", async (t) => {
  const root = makeRoot(t, { a: database, "a-journal": "my diary", "a-shm": "text", "a-wal": "a wall" });
  const { names } = await find(root);
  assert.deepEqual(names, ["a", "a-journal", "a-shm", "a-wal"]);
});

test("DatabaseFinder leaves out a journal whose transaction has not been synced, told by its page size", async (t) => {
  const journal = Buffer.alloc(512);
  journal.writeUInt32BE(0xabcdef01, 12);
  journal.writeUInt32BE(512, 20);
  journal.writeUInt32BE(512, 24);
  const root = makeRoot(t, { a: database, "a-journal": journal });
  assert.deepEqual((await find(root)).names, ["a"]);
  journal.writeUInt32BE(1024, 24);
  writeFileSync(join(root, "a-journal"), journal);
  assert.deepEqual((await find(root)).names, ["a", "a-journal"]);
});

test("DatabaseFinder stores what is refused as an ordinary file, with its sidecars and a note", async (t) => {
  const root = makeRoot(t, { a: database, "a-wal": walMagic });
  for (const reason of ["busy", "not-a-database"] as const) {
    const { names, entries, problems } = await find(root, { capture: () => refused(reason) });
    assert.deepEqual(names, ["a", "a-wal"]);
    assert.equal(entries[1]?.content?.from, "path");
    assert.deepEqual(problems, [
      { kind: "not-captured", path: "uploads/a", message: `Stored as an ordinary file: it is ${reason}` },
    ]);
  }
  const { problems } = await find(root, { capture: () => refused("missing") });
  assert.deepEqual(problems, []);
});

test("DatabaseFinder stores a found database that fails its check as it lies", async (t) => {
  const root = makeRoot(t, { a: database, "a-wal": walMagic });
  const image = join(root, "image");
  const capture = (): CaptureOutcome => {
    writeFileSync(image, "made by the capture");
    const outcome = captured(4096, false);
    return outcome.outcome === "captured"
      ? { ...outcome, image: { ...outcome.image, imagePath: image } }
      : outcome;
  };
  const { names, problems } = await find(root, { capture });
  assert.deepEqual(names, ["a", "a-wal"]);
  assert.match(problems[0]?.message ?? "", /fails its check: row 1 missing/);
  assert.equal(existsSync(image), false);
});

test("DatabaseFinder does not look at settled files nor where it is switched off", async (t) => {
  const root = makeRoot(t, { "a.db": database, "plain/b.db": database, "c.db": database });
  const { asked } = await find(root, { plainFiles: ["plain/"], settled: (entry) => entry.path === "c.db" });
  assert.deepEqual(asked, ["a.db"]);
  assert.deepEqual((await find(root, { plainFiles: ["*"] })).asked, []);
});

test("DatabaseFinder captures the name of a hard-linked database that has the sidecars", async (t) => {
  const root = makeRoot(t, { a: database, "b-wal": walMagic });
  linkSync(join(root, "a"), join(root, "b"));
  linkSync(join(root, "a"), join(root, "c"));
  const { asked, names, entries } = await find(root);
  assert.deepEqual(asked, ["a", "b"]);
  assert.deepEqual(names, ["a", "b", "c"]);
  assert.equal(entries[2]?.hardLinkTo, undefined);
  assert.equal(entries[3]?.hardLinkTo, "a");
});

test("DatabaseFinder gives the content of a left-out file to its next name", async (t) => {
  const root = makeRoot(t, { a: database, "a-wal": walMagic });
  linkSync(join(root, "a-wal"), join(root, "x"));
  linkSync(join(root, "a-wal"), join(root, "y"));
  const { entries, names } = await find(root);
  assert.deepEqual(names, ["a", "x", "y"]);
  const [, , x, y] = entries;
  assert.deepEqual(x?.content, { from: "path", path: byteStringFromText(join(root, "x")) });
  assert.equal(x?.sizeBytes, walMagic.length);
  assert.equal(y?.hardLinkTo, "x");
});

test("DatabaseFinder never leaves to be read here what this process has open, nor the -shm beside it", async (t) => {
  const root = makeRoot(t, { "plain.txt": "x".repeat(600) });
  const held = new DatabaseSync(join(root, "app.db"));
  t.after(() => held.close());
  held.exec("PRAGMA journal_mode = WAL; CREATE TABLE t (x)");
  const plain = await find(root, { plainFiles: ["*"], capture: () => captured() });
  assert.deepEqual(plain.asked, ["app.db"], "captured, although the patterns say it is none");
  assert.deepEqual(plain.names, ["app.db", "plain.txt"]);
  const busy = await find(root, { capture: () => refused("busy") });
  assert.deepEqual(busy.names, ["plain.txt"], "neither it nor its sidecars");
  assert.deepEqual(
    busy.problems.map(({ kind }) => kind),
    ["unreadable"],
  );
});

test("DatabaseFinder opens no more databases when those it found took too long in all, and says so of each", async (t) => {
  const root = makeRoot(t, Object.fromEntries(Array.from({ length: 9 }, (_, n) => [`${n}.db`, database])));
  let elapsed = 0;
  const clock = { now: () => 0, elapsed: () => elapsed };
  const findEach = (tookMs: number, outcome: CaptureOutcome): Promise<Finding> =>
    find(root, {
      clock,
      capture: () => {
        elapsed += tookMs;
        return outcome;
      },
    });
  const useless: readonly CaptureOutcome[] = [refused("too-slow"), captured(4096, false), captured()];
  for (const outcome of useless) {
    const slow = await findEach(foundBudgetMs / 3, outcome);
    assert.ok(slow.asked.length === 3 || slow.asked.length === 4, `${slow.asked.length}`);
    assert.equal(slow.names.length, 9, "all are stored");
    const passedOver = slow.problems.filter(({ message }) =>
      message.includes("found before it took too long"),
    );
    assert.equal(passedOver.length, 9 - slow.asked.length);
    assert.deepEqual(new Set(passedOver.map(({ kind }) => kind)), new Set(["not-captured"]));
  }
  // Honest ones may take all night.
  assert.equal((await findEach(5_000, captured())).asked.length, 9);
  assert.equal((await findEach(foundBudgetMs, captured(1024 ** 4))).asked.length, 9);
});
