import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { test } from "node:test";
import { resolveSources } from "../app/configuration.ts";
import { systemClock } from "../domain/clock.ts";
import { isBackupError } from "../domain/error.ts";
import { silentObserver } from "../domain/progress.ts";
import { defaultRetention } from "../domain/retention.ts";
import { openDatabaseCapturer } from "../source/database-capturer.ts";
import { openLocalStorage } from "../storage/local-storage.ts";
import { readThisMachine } from "../storage/this-machine.ts";
import { createLiveApp, type LiveApp } from "../testing/live-app.ts";
import { openArchiveVault } from "../vault/archive/archive-vault.ts";
import { openLooseFile } from "../vault/archive/open-loose-file.ts";
import { backUp } from "./back-up.ts";
import type { OperationContext } from "./context.ts";

const signal = new AbortController().signal;
const request = { signal, observer: silentObserver } as const;

/** A real vault on a disk that claims to have `free.bytes` left. */
async function openContext(app: LiveApp, free: { bytes: number }): Promise<OperationContext> {
  const [machine, clock, toolVersion] = [readThisMachine(), systemClock, "test"];
  const storage = await openLocalStorage(app.vault, { create: true, machine });
  storage.freeBytes = async () => free.bytes;
  const vault = await openArchiveVault({ storage, machine, clock, toolVersion, create: true }, signal);
  return {
    ...{ vault, machine, clock, toolVersion, openLooseFile },
    sources: resolveSources(app.configuration.sources ?? [], app.directory),
    retention: defaultRetention,
    stateDirectory: app.directory,
    scratchDirectory: app.directory,
    vaultDirectory: app.vault,
    ownDirectories: [app.vault],
    lockWaitMs: 0,
    openCapturer: openDatabaseCapturer,
  };
}

test("a backup warns where the vault may run full by the measure of the last, and is made", async () => {
  await using app = createLiveApp();
  const free = { bytes: statSync(app.database).size };
  const context = await openContext(app, free);
  await using _ = context.vault;
  assert.deepEqual((await backUp(context, request)).warnings, [], "a first backup has nothing to go by");
  const { backup, warnings } = await backUp(context, request);
  assert.equal(backup.state, "good");
  assert.match(
    warnings.join(),
    /^.*backups may run full: .* are free, and going by full_backup_.* about .* are needed$/,
  );
  free.bytes *= 10;
  assert.deepEqual((await backUp(context, request)).warnings, []);
});

test("a backup is refused where the databases alone are larger than what is free", async () => {
  await using app = createLiveApp();
  const free = { bytes: statSync(app.database).size - 1 };
  const context = await openContext(app, free);
  await using _ = context.vault;
  await assert.rejects(backUp(context, request), (error) => isBackupError(error, "no-space"));
  assert.equal((await backUp(context, { ...request, type: "storage" })).backup.state, "good");
});
