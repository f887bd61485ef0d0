/**
 * `npm run unit` and `npm run sweep`: Node's test runner, with a cache of compiled code for
 * the hundreds of processes that the tests are and start, which saves about a third of the time,
 * and with a temporary folder that is removed whatever tests leave in it. Unit tests have it in memory
 * where there is room, so that a slow disk does not slow them down; `TMPDIR=/tmp npm run unit` has it there.
 *
 * @module
 */

import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, realpathSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { removeTree } from "../src/testing/remove-tree.ts";

/** Some ten times what the tests that run at once put there. */
const memoryBytesMin = 2 * 1024 ** 3;

/** As many threads collect garbage as the tests keep cores busy with anyway, and less often. */
const flags = ["--single-threaded-gc", "--min-semi-space-size=16"];

const pathOf = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url));
const temporary = mkdtempSync(join(realpathSync(temporaryParent()), "vertex-backup-tests-"));
// Tests give files to other users, who have to get there.
chmodSync(temporary, 0o755);
const env = {
  ...process.env,
  NODE_COMPILE_CACHE: pathOf("node_modules/.cache/compiled"),
  TMPDIR: temporary,
};

/** Sweeps stay on the disk, so that both are tried. Containers often have next to no memory to share. */
function temporaryParent(): string {
  const given = process.env["TMPDIR"] ?? process.env["VERTEX_BACKUP_SWEEP"];
  if (given !== undefined) return tmpdir();
  try {
    const { bavail, bsize } = statfsSync("/dev/shm");
    return bavail * bsize >= memoryBytesMin ? "/dev/shm" : tmpdir();
  } catch {
    return tmpdir();
  }
}

// Capture processes are killed, so none of them fills the cache. Without a program it ends by itself.
spawnSync(process.execPath, [pathOf("src/source/capture/capture-child.ts")], { env, stdio: "ignore" });
const preloaded = ["cached-forks", "untraced-tests"].map(
  (name) => `--import=${import.meta.resolve(`../src/testing/${name}.ts`)}`,
);
// Ctrl-C reaches the tests themselves; the folder is removed when they have ended.
process.on("SIGINT", () => undefined);
const args = [...flags, ...preloaded, "--test", ...process.argv.slice(2)];
const { status } = spawnSync(process.execPath, args, { env, stdio: "inherit" });
removeTree(temporary);
process.exitCode = status ?? 1;
