/**
 * The app in the bench: makes a database of a given size and commits short
 * transactions at a steady rate. `writer.ts make PATH MEGABYTES`,
 * `writer.ts write PATH COMMITS_PER_SECOND` (reports over IPC when asked),
 * `writer.ts make-varied PATH MEGABYTES` (rows that share nothing) and
 * `writer.ts update PATH ROWS` (of random rows, one transaction each).
 *
 * @module
 */

import { randomBytes } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { prose, seededRandom } from "./data.ts";

const [verb, path = "", figure = "0"] = process.argv.slice(2);
if (verb === "make") make(path, Number(figure));
else if (verb === "make-varied") makeVaried(path, Number(figure));
else if (verb === "update") update(path, Number(figure));
else write(path, Number(figure));

function make(file: string, megabytes: number): void {
  const database = new DatabaseSync(file);
  database.exec("PRAGMA journal_mode=wal; PRAGMA synchronous=off");
  database.exec("CREATE TABLE item (id INTEGER PRIMARY KEY, counter INTEGER NOT NULL, body TEXT NOT NULL)");
  database.exec("CREATE TABLE log (id INTEGER PRIMARY KEY, item INTEGER NOT NULL, note TEXT NOT NULL)");
  const random = seededRandom(3);
  const insert = database.prepare("INSERT INTO item (counter, body) VALUES (0, ?)");
  const rows = Math.floor((megabytes * 1e6) / 1090);
  const body = prose(200_000, random, [
    "alpha",
    "beta",
    "gamma",
    "delta",
    "row",
    "value",
    "image",
    "video",
    "user",
  ]);
  database.exec("BEGIN");
  for (let i = 0; i < rows; i++) insert.run(body.slice(i % 150_000, (i % 150_000) + 1000));
  database.exec("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)");
  database.close();
}

function makeVaried(file: string, megabytes: number): void {
  const database = new DatabaseSync(file);
  database.exec("PRAGMA journal_mode=off; PRAGMA synchronous=off");
  database.exec("CREATE TABLE item (id INTEGER PRIMARY KEY, counter INTEGER NOT NULL, body TEXT NOT NULL)");
  const insert = database.prepare("INSERT INTO item (counter, body) VALUES (0, ?)");
  const rows = Math.floor((megabytes * 1e6) / 1090);
  database.exec("BEGIN");
  for (let i = 0; i < rows; i++) insert.run(randomBytes(500).toString("hex"));
  database.exec("COMMIT; PRAGMA journal_mode=delete");
  database.close();
}

function update(file: string, count: number): void {
  const database = new DatabaseSync(file);
  database.exec("PRAGMA synchronous=off");
  const rows = Number(database.prepare("SELECT max(id) AS n FROM item").get()?.["n"]);
  const statement = database.prepare("UPDATE item SET counter = counter + 1 WHERE id = ?");
  const random = seededRandom(5);
  for (let i = 0; i < count; i++) statement.run(1 + Math.floor(random() * rows));
  database.close();
}

function write(file: string, commitsPerSecond: number): void {
  const database = new DatabaseSync(file, { timeout: 30_000 });
  database.exec("PRAGMA synchronous=normal");
  const rows = Number(database.prepare("SELECT max(id) AS n FROM item").get()?.["n"]);
  const update = database.prepare("UPDATE item SET counter = counter + 1 WHERE id = ?");
  const log = database.prepare("INSERT INTO log (item, note) VALUES (?, 'touched')");
  const random = seededRandom(4);
  let commits = 0;
  let longestWaitMs = 0;
  let due = performance.now();
  const commit = (): void => {
    const started = performance.now();
    const id = 1 + Math.floor(random() * rows);
    database.exec("BEGIN IMMEDIATE");
    update.run(id);
    log.run(id);
    database.exec("COMMIT");
    commits++;
    longestWaitMs = Math.max(longestWaitMs, performance.now() - started);
  };
  const tick = (): void => {
    // Late commits are made up for, as a queue of requests would, but at most a second of them.
    due = Math.max(due, performance.now() - 1000);
    for (let now = performance.now(); due <= now; due += 1000 / commitsPerSecond) commit();
  };
  const timer = setInterval(tick, 2);
  process.on("message", () => {
    process.send?.({ commits, longestWaitMs });
    commits = 0;
    longestWaitMs = 0;
  });
  process.on("disconnect", () => {
    clearInterval(timer);
    database.close();
  });
  process.send?.("ready");
}
