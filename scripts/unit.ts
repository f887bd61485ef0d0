/**
 * `npm run unit` and `npm run sweep`: Node's test runner, with a cache of compiled code for
 * the hundreds of processes that the tests are and start, which saves about a third of the time.
 *
 * @module
 */

import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const pathOf = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url));
const env = { ...process.env, NODE_COMPILE_CACHE: pathOf("node_modules/.cache/compiled") };

// Capture processes are killed, so none of them fills the cache. Without a program it ends by itself.
spawnSync(process.execPath, [pathOf("src/source/capture/capture-child.ts")], { env, stdio: "ignore" });
const preloaded = import.meta.resolve("../src/testing/cached-forks.ts");
const { status } = spawnSync(process.execPath, ["--import", preloaded, "--test", ...process.argv.slice(2)], {
  env,
  stdio: "inherit",
});
process.exitCode = status ?? 1;
