import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, test } from "node:test";
import { AppFolder } from "../../../test/torture/app-folder.ts";
import { isBackupError } from "../../domain/error.ts";
import { openDatabaseCapturer } from "./database-capturer.ts";
import { installLive } from "./live-install.ts";

const capturer = await openDatabaseCapturer();
after(() => capturer[Symbol.asyncDispose]());
const signal = new AbortController().signal;

/**
 * An app in a process of its own with one connection it never closes: it reads
 * and writes all the time. Its law: `version` is the same in every row of `law`.
 */
const appSource = `
import { DatabaseSync } from "node:sqlite";
const db = new DatabaseSync(process.argv[2], { timeout: 300000 });
db.exec("PRAGMA synchronous=OFF");
let broken = 0, commits = 0;
process.on("message", (message) => {
  if (message === "report") process.send({ broken, commits, version: versions()[0], rows: versions()[1], mode: db.prepare("PRAGMA journal_mode").get().journal_mode });
});
process.on("disconnect", () => process.exit());
function versions() {
  const row = db.prepare("SELECT min(version) AS low, max(version) AS high, count(*) AS n FROM law").get();
  if (row.low !== row.high) broken++;
  return [row.low, row.n];
}
setInterval(() => { versions(); db.exec("UPDATE law SET version = version + 1"); commits++; }, 1);
process.send("ready");
`;

interface Report {
  readonly broken: number;
  readonly commits: number;
  readonly version: number;
  readonly rows: number;
  readonly mode: string;
}

async function startApp(folder: AppFolder): Promise<ChildProcess> {
  const script = join(folder.scratch, "app.mjs");
  writeFileSync(script, appSource);
  const app = fork(script, [folder.path()]);
  await once(app, "message");
  return app;
}

async function report(app: ChildProcess): Promise<Report> {
  app.send("report");
  const [message] = await once(app, "message");
  return message as Report;
}

function makeBank(path: string, mode: string, pageSize: number, rows: number, version: number): void {
  using db = new DatabaseSync(path);
  db.exec(`PRAGMA page_size=${pageSize}; PRAGMA journal_mode=${mode}; CREATE TABLE law (version, pad)`);
  const insert = db.prepare("INSERT INTO law VALUES (?, randomblob(300))");
  db.exec("BEGIN");
  for (let i = 0; i < rows; i++) insert.run(version);
  db.exec("COMMIT; PRAGMA user_version = 7");
}

for (const mode of ["wal", "delete", "truncate"]) {
  for (const pageSize of [4096, 1024]) {
    test(`installLive() restores under an app in ${mode} mode that goes on (image page size ${pageSize})`, {
      timeout: 600_000,
    }, async () => {
      using folder = new AppFolder();
      makeBank(folder.path(), mode, 4096, 20, 1);
      const imagePath = join(folder.scratch, "image.db");
      makeBank(imagePath, "delete", pageSize, 500, 1_000_000);
      const imageBytes = readFileSync(imagePath);
      const app = await startApp(folder);
      try {
        const journalMode = mode === "wal" ? "wal" : "delete";
        const request = { imagePath, targetPath: folder.path(), journalMode, busyTimeoutMs: 300_000 };
        const result = await installLive(capturer, request, signal);
        const first = await report(app);
        assert.deepEqual([first.broken, first.rows], [0, 500]);
        assert.ok(first.version >= 1_000_000);
        assert.deepEqual(
          [result.journalMode === "wal", first.mode === "wal"],
          [mode === "wal", mode === "wal"],
        );
        // An app that stopped would be waited for until the test's time is up.
        let later = first;
        while (later.commits === first.commits) later = await report(app);
        assert.ok(later.version > first.version, "it goes on with another content");
      } finally {
        app.kill("SIGKILL");
        await once(app, "exit");
      }
      using db = new DatabaseSync(folder.path());
      assert.deepEqual(Object.values(db.prepare("PRAGMA integrity_check").get() ?? {}), ["ok"]);
      assert.deepEqual(Object.values(db.prepare("PRAGMA page_size").get() ?? {}), [4096]);
      assert.deepEqual(Object.values(db.prepare("PRAGMA user_version").get() ?? {}), [7]);
      assert.deepEqual(readFileSync(imagePath), imageBytes);
      assert.deepEqual(readdirSync(folder.scratch).sort(), ["app.mjs", "image.db"]);
    });
  }
}

test("installLive() puts the recorded journal mode back where nobody is in the way", async () => {
  using folder = new AppFolder();
  makeBank(folder.path(), "delete", 4096, 20, 1);
  const imagePath = join(folder.scratch, "image.db");
  makeBank(imagePath, "delete", 4096, 30, 2);
  const request = { imagePath, targetPath: folder.path(), journalMode: "wal", busyTimeoutMs: 1_000 };
  assert.deepEqual(await installLive(capturer, request, signal), { journalMode: "wal", warnings: [] });
  using db = new DatabaseSync(folder.path());
  assert.equal(db.prepare("PRAGMA journal_mode").get()?.["journal_mode"], "wal");
  assert.equal(db.prepare("SELECT count(*) AS n FROM law WHERE version = 2").get()?.["n"], 30);
});

test("installLive() leaves the target as it is when its users do not give way", async () => {
  using folder = new AppFolder();
  makeBank(folder.path(), "wal", 4096, 20, 1);
  const imagePath = join(folder.scratch, "image.db");
  makeBank(imagePath, "delete", 4096, 30, 2);
  using app = new DatabaseSync(folder.path());
  app.exec("BEGIN IMMEDIATE");
  const request = { imagePath, targetPath: folder.path(), journalMode: "wal", busyTimeoutMs: 200 };
  await assert.rejects(
    installLive(capturer, request, signal),
    (error) => isBackupError(error, "locked") && error.retryable,
  );
  app.exec("ROLLBACK");
  assert.equal(app.prepare("SELECT count(*) AS n FROM law WHERE version = 1").get()?.["n"], 20);
});

test("installLive() says so when the target is no sound database", async () => {
  using folder = new AppFolder();
  writeFileSync(folder.path(), Buffer.alloc(8192, 0xa7));
  const imagePath = join(folder.scratch, "image.db");
  makeBank(imagePath, "delete", 4096, 30, 2);
  const request = { imagePath, targetPath: folder.path(), journalMode: "wal", busyTimeoutMs: 200 };
  await assert.rejects(installLive(capturer, request, signal), (error) =>
    isBackupError(error, "unsupported"),
  );
});

for (const [there, wanted] of [
  ["UTF-16le", "UTF-8"],
  ["UTF-8", "UTF-16le"],
] as const) {
  test(`installLive() refuses to put ${wanted} text where an app has ${there}`, async () => {
    using folder = new AppFolder();
    const imagePath = join(folder.scratch, "image.db");
    for (const [path, encoding] of [
      [folder.path(), there],
      [imagePath, wanted],
    ] as const) {
      using made = new DatabaseSync(path);
      made.exec(
        `PRAGMA encoding="${encoding}"; CREATE TABLE law (version); INSERT INTO law VALUES ('${encoding}')`,
      );
    }
    using app = new DatabaseSync(folder.path());
    const request = { imagePath, targetPath: folder.path(), journalMode: "delete", busyTimeoutMs: 1_000 };
    await assert.rejects(
      installLive(capturer, request, signal),
      (error) => isBackupError(error, "unsupported") && /without --live/.test(error.hint ?? ""),
    );
    assert.equal(app.prepare("SELECT version FROM law").get()?.["version"], there);
  });
}
