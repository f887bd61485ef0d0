/**
 * `npm run crash -- --runs 1000 --seed N`: kills the program with SIGKILL at
 * random moments of create, rotate and restore, and after each kill checks that
 * every backup that is listed restores in full, that none was lost, and that the
 * app is wholly of one generation. Prints kills per phase. Exit code 1 on any loss.
 *
 * @module
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { seededRandom } from "../bench/data.ts";
import { CrashRun } from "../test/crash/crash-run.ts";

const { values } = parseArgs({
  options: { runs: { type: "string", default: "100" }, seed: { type: "string", default: "1" } },
});
const runs = Number(values.runs);
const sandbox = mkdtempSync(join(tmpdir(), "vertex-backup-crash-"));
const started = performance.now();
try {
  const run = new CrashRun(sandbox, resolve("dist/library.js"), seededRandom(Number(values.seed)));
  for (let i = 1; i <= runs; i++) {
    await run.step();
    if (process.stderr.isTTY) process.stderr.write(`\r${i} of ${runs}`);
  }
  const summary = await run.finish();
  console.log(
    `${runs} runs with seed ${values.seed} in ${Math.round((performance.now() - started) / 1000)} s`,
  );
  console.log(summary.text);
  process.exitCode = summary.losses.length > 0 ? 1 : 0;
} finally {
  rmSync(sandbox, { recursive: true, force: true });
}
