/**
 * A small app to back up: a WAL database whose rows name files in a folder of
 * uploads, and a writer in a process of its own that keeps both in step. Its law:
 * the balances of all accounts add up to {@link totalBalance}, whatever the moment.
 *
 * @module
 */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { ManagerConfiguration } from "../app/configuration.ts";

const accounts = 20;
const balance = 1000;
export const totalBalance: number = accounts * balance;

export interface LiveApp extends AsyncDisposable {
  /** Holds everything; gone after disposal. */
  readonly directory: string;
  readonly database: string;
  readonly uploads: string;
  readonly vault: string;
  readonly configuration: ManagerConfiguration;
  /** Starts the writer and returns when it has committed a few times; it ends with the app. */
  startWriter(): Promise<void>;
  /** Kills the writer, in the middle of whatever it does. */
  stopWriter(): Promise<void>;
}

/** @param changes What the configuration is to have besides or instead */
export function createLiveApp(changes: Partial<ManagerConfiguration> = {}): LiveApp {
  const directory = mkdtempSync(join(tmpdir(), "vertex-backup-app-"));
  const [database, uploads, vault] = ["app.db", "uploads", "backups"].map((name) =>
    join(directory, name),
  ) as [string, string, string];
  makeDatabase(database);
  mkdirSync(join(uploads, "2024"), { recursive: true });
  for (let i = 0; i < 5; i++) writeFileSync(join(uploads, "2024", `${i}.txt`), `upload ${i}\n`.repeat(500));
  let writer: ChildProcess | undefined;
  const stopWriter = async (): Promise<void> => {
    if (writer === undefined || writer.exitCode !== null || writer.signalCode !== null) return;
    writer.kill("SIGKILL");
    await once(writer, "exit");
  };
  return {
    directory,
    database,
    uploads,
    vault,
    configuration: {
      vault,
      state: join(directory, "state"),
      sources: [{ name: "shop", databases: [database], storage: [uploads] }],
      ...changes,
    },
    async startWriter() {
      writer = spawn(process.execPath, ["--input-type=module", "-e", writerProgram, database, uploads], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      if (writer.stdout !== null) await once(writer.stdout, "data");
    },
    stopWriter,
    async [Symbol.asyncDispose]() {
      await stopWriter();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function makeDatabase(path: string): void {
  using database = new DatabaseSync(path);
  database.exec(`
    PRAGMA synchronous = OFF;
    PRAGMA journal_mode = WAL;
    CREATE TABLE accounts (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL);
    CREATE TABLE images (id INTEGER PRIMARY KEY, file TEXT NOT NULL);
    INSERT INTO images (file) VALUES ('2024/0.txt'), ('2024/1.txt'), ('2024/2.txt'), ('2024/3.txt'), ('2024/4.txt');
  `);
  const insert = database.prepare("INSERT INTO accounts (balance) VALUES (?)");
  database.exec("BEGIN");
  for (let i = 0; i < accounts; i++) insert.run(balance);
  database.exec("COMMIT");
}

/** Transfers money all the time, and now and then adds an upload: first the file, then the row that names it. */
const writerProgram = `
import { writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
const [path, uploads] = process.argv.slice(1);
const database = new DatabaseSync(path, { timeout: 5000 });
const take = database.prepare("UPDATE accounts SET balance = balance - ? WHERE id = ?");
const give = database.prepare("UPDATE accounts SET balance = balance + ? WHERE id = ?");
const add = database.prepare("INSERT INTO images (file) VALUES (?)");
for (let n = 0; ; n++) {
  database.exec("BEGIN IMMEDIATE");
  take.run(n % 7, (n % ${accounts}) + 1);
  give.run(n % 7, ((n * 3) % ${accounts}) + 1);
  if (n % 50 === 0) {
    writeFileSync(uploads + "/new-" + n + ".txt", "new upload " + n);
    add.run("new-" + n + ".txt");
  }
  database.exec("COMMIT");
  if (n === 20) process.stdout.write("writing");
  await new Promise((resolve) => setTimeout(resolve, 2));
}
`;

/** What the law says of a database file; opens it, so hand it a copy. */
export function sumOfBalances(path: string): number {
  using database = new DatabaseSync(path, { readOnly: true });
  const row = database.prepare("SELECT sum(balance) AS total FROM accounts").get();
  return Number(row?.["total"]);
}
