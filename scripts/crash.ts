/**
 * `npm run crash -- --runs 1000 --seed N --format repository`: kills the program with
 * SIGKILL at random moments of create, rotate and restore, of a repository also of prune,
 * key change and copy, and after each kill checks that every backup that is listed restores
 * in full, that none was lost, and that the app is wholly of one generation. Without a
 * format, half of the runs for each. Prints kills per phase. Exit code 1 on any loss.
 *
 * @module
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { seededRandom } from "../bench/data.ts";
import type { VaultFormat } from "../src/vault/vault.ts";
import { CrashRun } from "../test/crash/crash-run.ts";

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "100" },
    seed: { type: "string", default: "1" },
    format: { type: "string", default: "both" },
    // Another build: one with a mistake in it shows that the run finds it.
    library: { type: "string", default: "dist/library.js" },
  },
});
const runs = Number(values.runs);
const seed = Number(values.seed);
const shares: readonly (readonly [VaultFormat, number])[] =
  values.format === "archive" || values.format === "repository"
    ? [[values.format, runs]]
    : [
        ["archive", Math.floor(runs / 2)],
        ["repository", Math.ceil(runs / 2)],
      ];
const started = performance.now();
for (const [format, count] of shares) {
  const { text, losses } = await crash(format, count);
  console.log(text);
  if (losses.length > 0) process.exitCode = 1;
}
const seconds = Math.round((performance.now() - started) / 1000);
console.log(`${runs} runs with seed ${values.seed} in ${seconds} s`);

async function crash(format: VaultFormat, count: number) {
  const sandbox = mkdtempSync(join(tmpdir(), "vertex-backup-crash-"));
  try {
    const run = await CrashRun.open(format, sandbox, resolve(values.library), seededRandom(seed));
    for (let i = 1; i <= count; i++) {
      await run.step();
      if (process.stderr.isTTY) process.stderr.write(`\r${format} ${i} of ${count} `);
    }
    return await run.finish();
  } finally {
    rmSync(sandbox, { recursive: true, force: true });
  }
}
