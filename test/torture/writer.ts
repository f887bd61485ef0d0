/**
 * A process that writes to a bank as fast as it can, or at a rate, until it is
 * killed. Forked by `writers.ts`, which passes its options as one argument.
 *
 * @module
 */

import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { closeBooks, type JournalMode, shuffle, transfer } from "./bank.ts";

export interface WriterOptions {
  readonly path: string;
  readonly journalMode: JournalMode;
  /** Transactions a second; 0 for as many as go. */
  readonly perSecond: number;
  /** Close the database and open it again every so many transactions; 0 for never. */
  readonly reopenEvery: number;
}

export interface WriterReport {
  readonly commits: number;
  /** The longest single transaction since the last report, milliseconds. */
  readonly longestMs: number;
}

const options = JSON.parse(process.argv[2]!) as WriterOptions;
process.on("disconnect", () => process.exit());
let commits = 0;
let longestMs = 0;
let last = performance.now();
for (;;) {
  const db = open();
  const end = options.reopenEvery === 0 ? Number.POSITIVE_INFINITY : commits + options.reopenEvery;
  while (commits < end) {
    const started = performance.now();
    step(db, commits++);
    longestMs = Math.max(longestMs, performance.now() - started);
    report();
    await pause();
  }
  db.close();
}

function open(): DatabaseSync {
  for (;;) {
    try {
      const db = new DatabaseSync(options.path, { timeout: 60_000 });
      db.exec(`PRAGMA journal_mode=${options.journalMode}; PRAGMA synchronous=OFF`);
      // A log that is written back every few pages, and a cache that spills: as many races as possible.
      db.exec("PRAGMA wal_autocheckpoint=20; PRAGMA cache_size=10");
      return db;
    } catch {
      // Somebody reads: a change of the journal mode needs the database for itself.
    }
  }
}

function step(db: DatabaseSync, n: number): void {
  if (n % 400 === 399) closeBooks(db, options.perSecond === 0 && n % 2_000 === 1_999);
  else if (n % 50 === 49) shuffle(db);
  else transfer(db, 1 + (n % 200), 1 + ((n * 7 + 3) % 200));
}

function report(): void {
  const now = performance.now();
  if (now - last < 100) return;
  process.send?.({ commits, longestMs } satisfies WriterReport);
  last = now;
  longestMs = 0;
}

async function pause(): Promise<void> {
  if (options.perSecond > 0) await sleep(1_000 / options.perSecond);
  // Lets the messages out, and the end of the parent in.
  else if (commits % 200 === 0) await sleep(0);
}
