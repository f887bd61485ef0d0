/**
 * The process that gets killed: loads the program, waits for "go", runs one
 * operation through the library and says which phase it is in as it goes.
 * `victim.ts LIBRARY SANDBOX create|rotate|restore [BACKUP]`
 *
 * @module
 */

import { writeSync } from "node:fs";
import { once } from "node:events";
import { pathToFileURL } from "node:url";
import type { Observer } from "../../src/domain/progress.ts";
import { crashConfig } from "./config.ts";

const [library = "", sandbox = "", verb = "", reference = "latest"] = process.argv.slice(2);
const { createBackupManager } = (await import(
  pathToFileURL(library).href
)) as typeof import("../../src/library.ts");

let phase = "";
const observer: Observer = {
  progress(progress) {
    if (progress.phase === phase) return;
    phase = progress.phase;
    // Synchronous, because the next thing that happens may be SIGKILL.
    writeSync(1, `${phase}\n`);
  },
  warning() {},
  problem() {},
};

await using manager = createBackupManager(crashConfig(sandbox), { observer });
process.send?.("ready");
await once(process, "message");
if (verb === "create") await manager.createBackup({ rotate: false });
else if (verb === "rotate") await manager.rotateBackups({ rules: { last: 3 } });
else await manager.restoreBackup({ backup: reference });
process.disconnect?.();
