/**
 * Compiles `src` to `dist` for publishing: plain `.js` and `.d.ts`, because Node
 * runs no TypeScript inside `node_modules`.
 *
 * @module
 */

import { execFileSync } from "node:child_process";
import { chmod, rm } from "node:fs/promises";

await rm("dist", { recursive: true, force: true });
execFileSync("node_modules/.bin/tsc", ["-p", "tsconfig.build.json"], { stdio: "inherit" });
await chmod("dist/main.js", 0o755);
