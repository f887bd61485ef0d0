/**
 * The folder of an app, for tests: databases in every state an app can leave
 * them in, and a record of the folder that shows whether anybody touched it.
 *
 * @module
 */

import { execFileSync } from "node:child_process";
import { chownSync, copyFileSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";

export class AppFolder implements Disposable {
  readonly #root: string;
  /** Where the app keeps its databases. */
  readonly app: string;
  /** Private: images go here. */
  readonly scratch: string;

  /** Makes the folders. */
  constructor() {
    this.#root = mkdtempSync(join(tmpdir(), "vertex-app-"));
    this.app = join(this.#root, "app");
    this.scratch = join(this.#root, "scratch");
    mkdirSync(this.app);
    mkdirSync(this.scratch, { mode: 0o700 });
  }

  /** Path of a database of the app. */
  path(name = "app.db"): string {
    return join(this.app, name);
  }

  /** Opens a database as the app does, with a table `t` of rows in it. */
  open(journalMode: string, options: { name?: string; pageSize?: number; rows?: number } = {}): DatabaseSync {
    const db = new DatabaseSync(this.path(options.name));
    db.exec(
      `PRAGMA page_size=${options.pageSize ?? 4096}; PRAGMA journal_mode=${journalMode}; CREATE TABLE t (a, b)`,
    );
    insertRows(db, options.rows ?? 100);
    return db;
  }

  /** Leaves the database as an app does that is killed in the middle of a transaction that has spilled. */
  leaveHotJournal(name = "app.db"): void {
    const db = this.open("delete", { name: `live-${name}` });
    db.exec("PRAGMA cache_size=2; BEGIN; UPDATE t SET a = -1, b = randomblob(2000)");
    this.#takeOver(`live-${name}`, name, ["", "-journal"]);
    db.exec("ROLLBACK");
    db.close();
    rmSync(this.path(`live-${name}`));
  }

  /** Leaves a log as an app does that is killed; `suffixes` says which files survive. */
  leaveLog(suffixes: readonly string[], name = "app.db"): void {
    const db = this.open("wal", { name: `live-${name}` });
    this.#takeOver(`live-${name}`, name, suffixes);
    db.close();
    rmSync(this.path(`live-${name}`));
  }

  /**
   * Everything that would show a write: names, bytes, times, owners and modes.
   * Read in another process: here it would drop the locks of an app opened by the same test.
   */
  record(): string[] {
    return readdirSync(this.app)
      .sort()
      .map((name) => {
        const stat = lstatSync(join(this.app, name), { bigint: true });
        const bytes = stat.isFile() ? execFileSync("cat", [join(this.app, name)]).toString("base64") : "";
        return [name, stat.ino, stat.mtimeNs, stat.mode, stat.uid, stat.gid, bytes].join(" ");
      });
  }

  /** Gives the app's folder and files to another user, if this is root; else they stay its own. */
  giveTo(uid: number): void {
    if (process.geteuid?.() !== 0) return;
    chownSync(this.#root, uid, uid);
    chownSync(this.app, uid, uid);
    for (const name of readdirSync(this.app)) chownSync(join(this.app, name), uid, uid);
  }

  /** Makes files older than the tick of the clock, as they are in life. */
  async settle(): Promise<void> {
    await sleep(30);
  }

  [Symbol.dispose](): void {
    rmSync(this.#root, { recursive: true, force: true });
  }

  #takeOver(from: string, to: string, suffixes: readonly string[]): void {
    for (const suffix of suffixes) copyFileSync(this.path(`${from}${suffix}`), this.path(`${to}${suffix}`));
  }
}

function insertRows(db: DatabaseSync, rows: number): void {
  const insert = db.prepare("INSERT INTO t VALUES (?, randomblob(200))");
  db.exec("BEGIN");
  for (let i = 1; i <= rows; i++) insert.run(i);
  db.exec("COMMIT");
}

/** Rows and the sum of their numbers, which tell one state of `t` from another. */
export function content(path: string): { readonly rows: number; readonly sum: number } {
  using db = new DatabaseSync(`file://${path}?immutable=1`, { readOnly: true });
  const row = db.prepare("SELECT count(*) AS rows, coalesce(sum(a), 0) AS sum FROM t").get();
  return { rows: Number(row?.["rows"]), sum: Number(row?.["sum"]) };
}
