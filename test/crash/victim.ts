/**
 * The process that gets killed: loads the program, waits for "go", runs one
 * operation through the library and says which phase it is in as it goes.
 * `victim.ts LIBRARY JOB`, the job as JSON.
 *
 * @module
 */

import { writeSync } from "node:fs";
import { once } from "node:events";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Observer } from "../../src/domain/progress.ts";
import { crashConfig, type VictimJob } from "./config.ts";
import { openCheapVault } from "./repository-place.ts";

const [library = "", text = "{}"] = process.argv.slice(2);
const { createBackupManager } = (await import(
  pathToFileURL(library).href
)) as typeof import("../../src/library.ts");
const { sandbox, verb, vault, other, reference, newPassword } = JSON.parse(text) as VictimJob;

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

await using manager = createBackupManager(crashConfig(sandbox, vault), { observer });
await using second = createBackupManager(crashConfig(sandbox, other), { observer });
process.send?.("ready");
await once(process, "message");
if (verb === "create") await manager.createBackup({ rotate: false });
else if (verb === "rotate") await manager.rotateBackups({ rules: { last: 3 } });
else if (verb === "restore") await manager.restoreBackup({ backup: reference });
else if (verb === "prune") await manager.maintenance.prune({ maxUnusedPercent: 0 });
else if (verb === "passwd") await changePassword();
else {
  const [from, to] = verb === "copy in" ? [second, manager] : [manager, second];
  const { outcomes } = await from.copyBackups(to);
  for (const outcome of outcomes) if (outcome.outcome === "failed") throw outcome.error;
}
process.disconnect?.();

/** As `key passwd` does, but for the cost of the new key: of its second of work all but some milliseconds would be killed in vain. */
async function changePassword(): Promise<void> {
  await using opened = await openCheapVault(join(sandbox, vault.name), vault.password, false, library);
  const who = { username: undefined, host: undefined, observer, lockWaitMs: 600_000 };
  await opened.maintenance?.keys.changePassword(newPassword, who, new AbortController().signal);
}
