import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { lstatSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type TestContext, test } from "node:test";
import { byteStringFromText } from "../../domain/byte-string.ts";
import { openInodesOfThisProcess, readFileHead } from "./file-head.ts";

function makeFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "file-head-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function headOf(path: string): string | undefined {
  const inode = lstatSync(path, { bigint: true }).ino;
  const head = readFileHead(byteStringFromText(path), inode, Buffer.alloc(16), openInodesOfThisProcess());
  return head && `${head.held ? "held" : "free"} ${head.bytes.toString("latin1")}`;
}

/** Another process tries to write to the database; true if our lock stopped it. */
function othersAreLockedOut(path: string): boolean {
  const script = `const { DatabaseSync } = require("node:sqlite");
    const db = new DatabaseSync(process.argv[1], { timeout: 0 });
    try { db.exec("BEGIN IMMEDIATE"); console.log("free"); } catch { console.log("locked"); }`;
  return execFileSync(process.execPath, ["-e", script, path], { encoding: "utf8" }).trim() === "locked";
}

test("readFileHead() reads what is there and follows no link and waits for no pipe", (t) => {
  const folder = makeFolder(t);
  writeFileSync(join(folder, "short"), "short");
  writeFileSync(join(folder, "long"), "0123456789abcdefXXX");
  symlinkSync("long", join(folder, "link"));
  execFileSync("sh", ["-c", `mkfifo "$0"`, join(folder, "pipe")]);
  assert.equal(headOf(join(folder, "short")), "free short");
  assert.equal(headOf(join(folder, "long")), "free 0123456789abcdef");
  assert.equal(headOf(join(folder, "link")), undefined);
  assert.doesNotMatch(headOf(join(folder, "pipe")) ?? "", /held/);
});

test("readFileHead() leaves this process its locks on a database it has open, as a plain read would not", (t) => {
  const path = join(makeFolder(t), "app.db");
  using database = new DatabaseSync(path);
  database.exec("CREATE TABLE t (x); BEGIN IMMEDIATE; INSERT INTO t VALUES (1)");
  assert.equal(headOf(path), "held SQLite format 3\0");
  assert.equal(othersAreLockedOut(path), true);
  readFileSync(path);
  assert.equal(othersAreLockedOut(path), false);
});
