/**
 * Sets up the runtime before the rest of the program is loaded: a cache of
 * compiled code, and enough threads for compression.
 *
 * @module
 */

import { mkdirSync } from "node:fs";
import { enableCompileCache } from "node:module";
import { availableParallelism } from "node:os";
import { isAbsolute, join } from "node:path";

/** Beside one thread a core for compression: file access must not queue behind it. */
const extraThreads = 2;
/** What libuv starts by itself. */
const threadsMin = 4;

/** Must run before anything uses libuv's pool and before modules are loaded that should come from the cache. */
export function prepareRuntime(): void {
  process.env["UV_THREADPOOL_SIZE"] ??= String(Math.max(threadsMin, availableParallelism() + extraThreads));
  // Not Node's default place in the shared temporary folder: whoever makes that first could plant code in it.
  const cacheHome = process.env["XDG_CACHE_HOME"] ?? join(process.env["HOME"] ?? "", ".cache");
  if (isAbsolute(cacheHome) && isMade(cacheHome))
    enableCompileCache(join(cacheHome, "vertex-backup", "compiled"));
}

/**
 * Without the folders above it: a home that is not there is not made for a cache, and where
 * an automounter or `/proc` answers ENOENT for ever, Node.js would try for ever.
 */
function isMade(folder: string): boolean {
  try {
    mkdirSync(folder, { mode: 0o700 });
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EEXIST";
  }
}
