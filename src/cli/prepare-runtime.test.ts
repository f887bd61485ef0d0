import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

const program = `
  import { prepareRuntime } from ${JSON.stringify(import.meta.resolve("./prepare-runtime.ts"))};
  prepareRuntime();
`;

function start(home: string): number | null {
  const env = { PATH: process.env["PATH"], HOME: home };
  const args = ["--input-type=module", "-e", program];
  return spawnSync(process.execPath, args, { env, timeout: 300_000, stdio: "inherit" }).status;
}

test("prepareRuntime() keeps compiled code in the user's cache, and starts where there is no home", () => {
  const work = mkdtempSync(join(tmpdir(), "vertex-backup-runtime-"));
  try {
    assert.equal(start(work), 0);
    assert.ok(existsSync(join(work, ".cache", "vertex-backup", "compiled")));
    assert.equal(start(join(work, "none")), 0);
    assert.equal(existsSync(join(work, "none")), false);
    // Making folders in /proc is answered as if the folders above were missing.
    assert.equal(start("/proc"), 0);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
});
