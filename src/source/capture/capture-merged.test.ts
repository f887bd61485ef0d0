import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type TestContext, test } from "node:test";
import { AppFolder } from "../../../test/torture/app-folder.ts";
import { byteStringFromText } from "../../domain/byte-string.ts";
import type { CaptureMethod } from "./capture.ts";
import { type DatabaseCapturer, openDatabaseCapturer } from "./database-capturer.ts";

const signal = new AbortController().signal;

interface Captured {
  readonly image: Buffer;
  readonly steady: readonly number[];
}

/** Captures, and asserts that each byte was what it stayed when it was told to be steady. */
async function capture(
  capturer: DatabaseCapturer,
  folder: AppFolder,
  method: CaptureMethod = "pinned-read",
): Promise<Captured> {
  const imagePath = join(folder.scratch, "image.db");
  const path = byteStringFromText(folder.path());
  const request = { path, imagePath, trust: "declared", check: "quick_check", busyTimeoutMs: 0 } as const;
  const steady: number[] = [];
  let early = Buffer.alloc(0);
  const listener = {
    steady: (bytes: number) => {
      steady.push(bytes);
      early = readFileSync(imagePath).subarray(0, bytes);
    },
    complete: () => undefined,
  };
  const outcome = await capturer.capture(request, () => undefined, signal, listener);
  assert.ok(outcome.outcome === "captured" && outcome.image.check.ok);
  assert.equal(outcome.image.method, method);
  const image = readFileSync(imagePath);
  assert.ok(image.subarray(0, early.length).equals(early));
  return { image, steady };
}

/** What SQLite itself makes of copies of the file and its log, as after a crash; read in other processes, for the app's locks. */
function recovered(folder: AppFolder): Buffer {
  const copy = join(folder.scratch, "recovered.db");
  for (const suffix of ["", "-wal"]) execFileSync("cp", [`${folder.path()}${suffix}`, `${copy}${suffix}`]);
  using database = new DatabaseSync(copy);
  database.exec("PRAGMA user_version; PRAGMA wal_checkpoint(TRUNCATE)");
  const bytes = readFileSync(copy);
  bytes.set([1, 1], 18);
  return bytes;
}

function fill(app: DatabaseSync, megabytes: number): void {
  app.exec("BEGIN");
  const insert = app.prepare("INSERT INTO t VALUES (?, randomblob(100000))");
  for (let i = 0; i < megabytes * 10; i++) insert.run(i);
  app.exec("COMMIT");
}

const states: readonly (readonly [name: string, pageSize: number, make: (app: DatabaseSync) => void])[] = [
  ["whose log holds nothing", 4096, (app) => app.exec("PRAGMA wal_checkpoint(TRUNCATE)")],
  ["whose log is written back and still there", 4096, (app) => app.exec("PRAGMA wal_checkpoint(PASSIVE)")],
  ["of which all pages are in the log", 512, () => undefined],
  [
    "that grew in the log",
    1024,
    (app) => {
      app.exec("PRAGMA wal_checkpoint(TRUNCATE)");
      fill(app, 1);
    },
  ],
  [
    "that shrank in the log",
    65_536,
    (app) => {
      fill(app, 2);
      app.exec("PRAGMA wal_checkpoint(TRUNCATE); DELETE FROM t WHERE a > 3; VACUUM");
    },
  ],
  [
    "whose log was started anew over a longer one",
    4096,
    (app) => {
      fill(app, 2);
      app.exec("PRAGMA wal_checkpoint(RESTART); UPDATE t SET a = a + 1 WHERE a = 7");
    },
  ],
  [
    "with an open transaction that has spilled into the log",
    4096,
    (app) => app.exec("PRAGMA cache_size=2; BEGIN; UPDATE t SET a = -1, b = randomblob(2000)"),
  ],
  [
    "with a log too large to hold in memory",
    4096,
    (app) => {
      fill(app, 20);
    },
  ],
];

for (const [name, pageSize, make] of states) {
  test(`the image of a WAL database ${name} is to the byte what SQLite recovers`, async () => {
    using folder = new AppFolder();
    const app = folder.open("wal", { pageSize });
    app.exec("PRAGMA wal_autocheckpoint=0");
    make(app);
    await using capturer = await openDatabaseCapturer();
    const { image } = await capture(capturer, folder);
    assert.ok(image.equals(recovered(folder)), `${image.length} bytes`);
    app.close();
  });
}

test("an image is told to be steady while it is made, in order, and never beyond its end", async (t: TestContext) => {
  using folder = new AppFolder();
  const app = folder.open("wal");
  fill(app, 30);
  app.exec("PRAGMA wal_checkpoint(TRUNCATE); UPDATE t SET a = a + 1");
  await using capturer = await openDatabaseCapturer();
  const { image, steady } = await capture(capturer, folder);
  t.assert.ok(steady.length >= 3);
  assert.deepEqual(
    steady,
    steady.toSorted((a, b) => a - b),
  );
  assert.ok((steady.at(-1) ?? 0) <= image.length);
  assert.equal(statSync(join(folder.scratch, "image.db")).size, image.length);
  app.close();
});

for (const mode of ["wal", "delete"] as const) {
  test(`the image of a database that nobody has open is to the byte its file, in rollback mode, whatever the mode: ${mode}`, async () => {
    using folder = new AppFolder();
    const app = folder.open(mode);
    fill(app, 30);
    app.close();
    await using capturer = await openDatabaseCapturer();
    const method = mode === "wal" ? "scratch-copy" : "one-step";
    const { image, steady } = await capture(capturer, folder, method);
    const file = readFileSync(folder.path());
    file.set([1, 1], 18);
    assert.ok(image.equals(file));
    if (mode === "wal") assert.ok(steady.length >= 3);
  });
}
