/**
 * The app that is backed up while we kill the program: a small database and a
 * folder that carry their own proof. Whatever a restore brings back must agree
 * with itself, whichever generation it is.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { seededRandom } from "../../bench/data.ts";

const fileCount = 30;
const manifestName = "MANIFEST.json";

/** Writes generation `generation` of the app: some files change, some go, some come, and every table row agrees. */
export function writeGeneration(directory: string, generation: number): void {
  const uploads = join(directory, "uploads");
  mkdirSync(uploads, { recursive: true });
  const random = seededRandom(generation);
  for (let i = 0; i < fileCount; i++) {
    const path = join(uploads, `file-${i}.bin`);
    if (random() < 0.1) rmSync(path, { force: true });
    else if (generation === 0 || random() < 0.3)
      writeFileSync(path, `${generation} ${"x".repeat(random() * 20_000)}`);
  }
  const files = Object.fromEntries(dataFiles(uploads).map((name) => [name, hashOf(join(uploads, name))]));
  writeFileSync(join(uploads, manifestName), JSON.stringify({ generation, files }));
  const temporary = join(directory, "new.db");
  const database = new DatabaseSync(temporary);
  database.exec(
    "PRAGMA journal_mode=wal; CREATE TABLE law (id INTEGER PRIMARY KEY, generation INTEGER, padding TEXT)",
  );
  const insert = database.prepare("INSERT INTO law (generation, padding) VALUES (?, ?)");
  for (let i = 0; i < 50; i++) insert.run(generation, "y".repeat(500));
  database.close();
  renameSync(temporary, join(directory, "app.db"));
}

/**
 * Checks a restored or surviving app and says which generation it is.
 *
 * @throws {Error} naming the first disagreement
 */
export function checkState(databasePath: string, uploads: string): number {
  const { generation, files } = JSON.parse(readFileSync(join(uploads, manifestName), "utf8")) as {
    generation: number;
    files: Record<string, string>;
  };
  const present = dataFiles(uploads);
  const wanted = Object.keys(files).toSorted();
  if (present.join() !== wanted.join())
    throw new Error(`files of generation ${generation} differ: ${present.join()}`);
  for (const name of present) {
    if (hashOf(join(uploads, name)) !== files[name])
      throw new Error(`${name} is not of generation ${generation}`);
  }
  const database = new DatabaseSync(databasePath, { readOnly: true });
  try {
    const row = database
      .prepare("SELECT count(*) AS n, min(generation) AS low, max(generation) AS high FROM law")
      .get();
    if (row?.["n"] !== 50 || row["low"] !== generation || row["high"] !== generation) {
      throw new Error(`database says ${JSON.stringify(row)}, files say generation ${generation}`);
    }
  } finally {
    database.close();
  }
  return generation;
}

function dataFiles(uploads: string): string[] {
  return readdirSync(uploads)
    .filter((name) => name !== manifestName)
    .toSorted();
}

function hashOf(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}
