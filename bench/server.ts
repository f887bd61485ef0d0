/**
 * A program that keeps its manager open, as a server does: for each line it reads
 * it makes a backup and prints the seconds that took. Arguments: vault, password
 * file, folder.
 *
 * @module
 */

import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { join } from "node:path";

const [vault = "", passwordFile = "", folder = ""] = process.argv.slice(2);
// The compiled program, as the other contestants are.
const library = pathToFileURL(join(import.meta.dirname, "../dist/library.js")).href;
const { createBackupManager } = (await import(library)) as typeof import("../src/library.ts");
await using manager = createBackupManager({
  vault,
  password: { file: passwordFile },
  sources: [{ name: "small", storage: [folder] }],
});
for await (const _line of createInterface({ input: process.stdin })) {
  const started = performance.now();
  await manager.backupStorage({ rotate: false });
  console.log((performance.now() - started) / 1000);
}
