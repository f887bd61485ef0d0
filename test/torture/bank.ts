/**
 * A small database whose content obeys laws that SQLite knows nothing of. An
 * image that mixes two moments may pass `integrity_check` and still break them.
 *
 * @module
 */

import { DatabaseSync } from "node:sqlite";

export const journalModes = ["wal", "delete", "truncate", "persist", "memory", "off"] as const;
export type JournalMode = (typeof journalModes)[number];

export const pageSizes = [512, 1024, 4096, 65_536] as const;

const accounts = 200;
const openingBalance = 1_000;

/** Makes the database with its laws in force. `ballastBytes` is filler, for databases that are to be large. */
export function createBank(path: string, journalMode: JournalMode, pageSize: number, ballastBytes = 0): void {
  using db = new DatabaseSync(path);
  db.exec(`PRAGMA page_size=${pageSize}; PRAGMA synchronous=OFF; PRAGMA journal_mode=${journalMode}`);
  db.exec(`BEGIN;
    CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL, pad BLOB NOT NULL);
    CREATE TABLE log (id INTEGER PRIMARY KEY, sender INTEGER NOT NULL, receiver INTEGER NOT NULL, note TEXT NOT NULL);
    CREATE INDEX log_note ON log (note);
    CREATE TABLE counter (n INTEGER NOT NULL);
    CREATE TABLE ballast (data BLOB NOT NULL);
    INSERT INTO counter VALUES (0);`);
  const insert = db.prepare("INSERT INTO account (balance, pad) VALUES (?, randomblob(60))");
  for (let i = 0; i < accounts; i++) insert.run(openingBalance);
  const fill = db.prepare("INSERT INTO ballast VALUES (randomblob(1000))");
  for (let i = 0; i < ballastBytes / 1000; i++) fill.run();
  db.exec("COMMIT");
}

/** One short transaction: money moves, a row is logged, the counter follows. */
export function transfer(db: DatabaseSync, sender: number, receiver: number): void {
  db.exec("BEGIN IMMEDIATE");
  db.prepare("UPDATE account SET balance = balance - 1 WHERE id = ?").run(sender);
  db.prepare("UPDATE account SET balance = balance + 1 WHERE id = ?").run(receiver);
  db.prepare("INSERT INTO log (sender, receiver, note) VALUES (?, ?, hex(randomblob(20)))").run(
    sender,
    receiver,
  );
  db.exec("UPDATE counter SET n = n + 1");
  commit(db);
}

/** A transaction that rewrites every account, more than the page cache holds, so it spills half-way. */
export function shuffle(db: DatabaseSync): void {
  db.exec("BEGIN IMMEDIATE; UPDATE account SET balance = balance + 5, pad = randomblob(60)");
  db.exec("UPDATE account SET balance = balance - 5, pad = randomblob(60)");
  commit(db);
}

/** Empties the log, so that the database shrinks, has free pages and stays small. */
export function closeBooks(db: DatabaseSync, vacuum: boolean): void {
  db.exec("BEGIN IMMEDIATE; DELETE FROM log; UPDATE counter SET n = 0");
  commit(db);
  if (vacuum) db.exec("VACUUM");
}

/** Which laws an image breaks; empty when it is a state the database was really in. */
export function brokenLaws(imagePath: string): string[] {
  try {
    using db = new DatabaseSync(`file://${imagePath}?immutable=1`, { readOnly: true });
    const facts = db
      .prepare(
        `SELECT (SELECT sum(balance) FROM account) AS total, (SELECT n FROM counter) AS counted,
           (SELECT count(*) FROM log) AS logged, (SELECT coalesce(max(id), 0) FROM log) AS highest`,
      )
      .get();
    const broken: string[] = [];
    if (facts?.["total"] !== accounts * openingBalance) broken.push(`money ${facts?.["total"]}`);
    if (facts?.["counted"] !== facts?.["logged"])
      broken.push(`counter ${facts?.["counted"]}, rows ${facts?.["logged"]}`);
    if (facts?.["counted"] !== facts?.["highest"])
      broken.push(`counter ${facts?.["counted"]}, highest ${facts?.["highest"]}`);
    const integrity = db.prepare("PRAGMA integrity_check(3)").all();
    const messages = integrity.map((row) => String(Object.values(row)[0]));
    return messages[0] === "ok" ? broken : [...broken, ...messages];
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)];
  }
}

/** In a mode that cannot roll back, a commit that met a reader is tried again, never given up. */
function commit(db: DatabaseSync): void {
  for (;;) {
    try {
      db.exec("COMMIT");
      return;
    } catch (error) {
      if (!(error instanceof Error && "errcode" in error && error.errcode === 5)) throw error;
    }
  }
}
