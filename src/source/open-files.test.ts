import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import {
  closeSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { findOpeners } from "./open-files.ts";

function makeFile(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "open-files-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, "app.db"), "x");
  return join(folder, "app.db");
}

test("findOpeners() finds other processes that have a file open, and no longer once they end", async (t) => {
  const path = makeFile(t);
  assert.deepEqual(findOpeners(path).pids, []);
  const child = spawn("sh", ["-c", 'exec 3<"$0"; echo open; read _', path]);
  t.after(() => child.kill());
  await new Promise((resolve) => child.stdout.once("data", resolve));
  assert.deepEqual(findOpeners(path).pids, [child.pid]);
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.stdin.end();
  await ended;
  assert.deepEqual(findOpeners(path).pids, []);
});

test("findOpeners() finds a file under other names, and one that was deleted by the name it had", (t) => {
  const path = makeFile(t);
  const descriptor = openSync(path, "r");
  t.after(() => closeSync(descriptor));
  linkSync(path, `${path}-link`);
  assert.deepEqual(findOpeners(`${path}-link`).pids, [process.pid]);
  renameSync(path, `${path}-moved`);
  assert.deepEqual(findOpeners(`${path}-moved`).pids, [process.pid]);
  rmSync(`${path}-moved`);
  rmSync(`${path}-link`);
  assert.deepEqual(findOpeners(`${path}-moved`).pids, [process.pid]);
  writeFileSync(path, "another file of the first name");
  assert.deepEqual(findOpeners(path).pids, []);
});

test("findOpeners() says when it could not look everywhere", (t) => {
  const path = makeFile(t);
  assert.deepEqual(findOpeners(path, "/nowhere"), { pids: [], complete: false });
  const proc = join(path, "..", "proc");
  mkdirSync(join(proc, "1"), { recursive: true });
  writeFileSync(join(proc, "1/fd"), "no folder: as unreadable as another user's");
  assert.equal(findOpeners(path, proc).complete, false);
  rmSync(join(proc, "1"), { recursive: true });
  assert.equal(findOpeners(path, proc).complete, process.geteuid?.() === 0);
});
