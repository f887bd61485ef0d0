/**
 * Restores that write databases through SQLite, so that a running app sees them
 * without a restart. What they replace is kept in the safety backup only.
 *
 * @module
 */

import { createWriteStream } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { byteStringToUtf8 } from "../../domain/byte-string.ts";
import { BackupError } from "../../domain/error.ts";
import type { DatabaseCapturer } from "../../source/capture/database-capturer.ts";
import { installLive } from "../../source/capture/live-install.ts";
import type { LiveTarget, RestoreJournal } from "../../source/swap/restore-journal.ts";
import type { OperationContext } from "../context.ts";
import { openScratch } from "../scratch.ts";

/** Longer than any sane transaction of the app; waiting longer would hold up the restore for one that hangs. */
const busyTimeoutMs = 30_000;

/**
 * Installs every image of `journal.live`, each in one transaction. If one fails, those
 * before it get back what they had. May be repeated after a crash.
 *
 * @throws {BackupError} `locked` if the app does not give way in time
 */
export async function installLiveTargets(
  context: OperationContext,
  journal: RestoreJournal,
  warn: (message: string) => void,
  signal: AbortSignal,
): Promise<void> {
  await using capturer = await context.openCapturer();
  const installed: LiveTarget[] = [];
  for (const target of journal.live) {
    try {
      await install(capturer, target, byteStringToUtf8(target.imagePath) ?? "", warn, signal);
      installed.push(target);
    } catch (error) {
      await putBack(context, journal, capturer, installed);
      throw error;
    }
  }
}

async function install(
  capturer: DatabaseCapturer,
  { path, journalMode }: LiveTarget,
  imagePath: string,
  warn: (message: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const request = { imagePath, targetPath: path, journalMode, busyTimeoutMs };
  const { warnings } = await installLive(capturer, request, signal);
  for (const warning of warnings) warn(`${path}: ${warning}`);
}

/** Not cancelled: it is the way back. */
async function putBack(
  context: OperationContext,
  journal: RestoreJournal,
  capturer: DatabaseCapturer,
  installed: readonly LiveTarget[],
): Promise<void> {
  if (installed.length === 0 || journal.safetyBackupId === undefined) return;
  const { signal } = new AbortController();
  await using scratch = await openScratch(context);
  for (const [index, target] of installed.entries()) {
    const imagePath = join(scratch.directory, `${index}.db`);
    const { journalMode } = await extractDatabase(
      context,
      journal.safetyBackupId,
      target.name,
      imagePath,
      signal,
    );
    await install(capturer, { ...target, journalMode }, imagePath, () => undefined, signal);
  }
}

/**
 * Writes a database of a backup to a private file that is not there yet, verified.
 *
 * @throws {BackupError} `not-found`, `damaged`
 */
export async function extractDatabase(
  context: OperationContext,
  backupId: string,
  name: string,
  path: string,
  signal: AbortSignal,
): Promise<{ readonly journalMode: string }> {
  await using reader = await context.vault.open(backupId, signal);
  const database = reader.backup.databases.find((candidate) => candidate.name === name);
  if (database === undefined) {
    throw new BackupError("not-found", `Cannot take ${name} from ${backupId}: it does not hold it`);
  }
  const file = createWriteStream(path, { flags: "wx", mode: 0o600, flush: true });
  await pipeline(reader.readDatabase(name, signal), file, { signal });
  return { journalMode: database.journalMode };
}
