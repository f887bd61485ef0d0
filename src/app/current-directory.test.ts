import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { test } from "node:test";

const main = resolve(import.meta.dirname, "../main.ts");

test("the command line says that the folder it was started in is gone", () => {
  const directory = mkdtempSync(join(tmpdir(), "vertex-backup-gone-"));
  // By a shell that removes it: no process can be started in a folder that is gone already.
  const script = 'rmdir "$PWD" && exec "$0" --no-warnings "$1" list --vault /nowhere';
  try {
    assert.throws(
      () =>
        execFileSync("/bin/sh", ["-c", script, process.execPath, main], {
          cwd: directory,
          stdio: ["ignore", "pipe", "pipe"],
          encoding: "utf8",
        }),
      (error: { status: number; stderr: string }) => {
        assert.equal(error.status, 1, error.stderr);
        assert.match(
          error.stderr,
          /^error: Cannot use the current folder: it does not exist any more\n {2}Change /,
        );
        return true;
      },
    );
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
