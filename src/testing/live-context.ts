/**
 * What operations are given, for a {@link LiveApp}: a real vault in a folder, whose
 * disk and writers a test may change.
 *
 * @module
 */

import { resolveSources } from "../app/configuration.ts";
import { systemClock } from "../domain/clock.ts";
import { defaultRetention } from "../domain/retention-rules.ts";
import type { OperationContext } from "../operations/context.ts";
import { openDatabaseCapturer } from "../source/capture/database-capturer.ts";
import { openLocalStorage } from "../storage/local-storage.ts";
import type { Storage } from "../storage/storage.ts";
import { readThisMachine } from "../storage/this-machine.ts";
import { openArchiveVault } from "../vault/archive/archive-vault.ts";
import { openLooseFile } from "../vault/archive/open-loose-file.ts";
import { tarStream } from "../vault/pack/tar-stream.ts";
import { zipStream } from "../vault/pack/zip-stream.ts";
import type { LiveApp } from "./live-app.ts";
import { signal } from "./vault-probe.ts";

/**
 * Opens the app's vault, which the caller disposes of.
 *
 * @param freeBytes What the disk claims to have left; what it really has when left out
 */
export async function openLiveContext(
  app: LiveApp,
  freeBytes?: Storage["freeBytes"],
): Promise<OperationContext> {
  const [machine, clock, toolVersion] = [readThisMachine(), systemClock, "test"];
  const storage = await openLocalStorage(app.vault, { create: true, machine });
  if (freeBytes !== undefined) storage.freeBytes = freeBytes;
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
    passwordPlace: "nowhere",
    openCapturer: openDatabaseCapturer,
    packItems: (format, items, by) => (format === "tar" ? tarStream(items, by) : zipStream(items, by)),
  };
}
