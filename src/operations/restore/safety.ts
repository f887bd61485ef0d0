/**
 * The safety backup: what is about to be replaced is taken into the vault first
 * (I4). It is kept beside the target as well, by the swap; this copy is the one
 * that outlives the disk and the next restore.
 *
 * @module
 */

import { lstat } from "node:fs/promises";
import type { Backup } from "../../domain/backup.ts";
import { byteStringToPath, byteStringToUtf8 } from "../../domain/byte-string.ts";
import { BackupError, errorText, isBackupError } from "../../domain/error.ts";
import { silentObserver } from "../../domain/progress.ts";
import { absolutePath } from "../../source/tree/entry-path.ts";
import type { OperationContext } from "../context.ts";
import type { DatabaseSource, FolderSource, Source } from "../requests.ts";
import { RunLog } from "../run-log.ts";
import { takeBackup } from "../take-backup.ts";
import type { StagedTarget } from "./layout.ts";
import { onlyPatterns } from "./only-patterns.ts";
import type { PreparedRestore } from "./prepare.ts";

/** Of a partial restore, more files than this are not named one by one: the whole folder is taken. */
const namedFilesMax = 1000;

/** Removing one has a signal of its own, because that of the restore is often aborted already. */
const dropTimeoutMs = 60_000;

/** Whoever cancels does not want to wait for the runs of others. */
const dropLockWaitMs = 2000;

/**
 * Backs up what the restore will replace. Undefined if there is nothing, or if the vault
 * cannot take it: then the log says so, and the previous state beside the targets, which
 * takes no further space, is the only copy.
 *
 * @throws {BackupError} `locked`; `unsafe` where a database is to be written live and could
 *   not be saved before
 */
export async function takeSafetyBackup(
  context: OperationContext,
  prepared: PreparedRestore,
  log: RunLog,
  signal: AbortSignal,
): Promise<Backup | undefined> {
  const source = await sourceOf(context, prepared, signal);
  if (source.databases.length + source.folders.length === 0) return undefined;
  // Said in the plan already.
  const backup = context.vault.readOnly ? undefined : await takeOrWarn(context, source, log, signal);
  requireLive(prepared, backup);
  return backup;
}

/**
 * Removes the safety backup of a restore that was given up before it changed anything: what it holds is still
 * where it was. Where that fails, a warning says so.
 */
export async function dropSafetyBackup(context: OperationContext, id: string, log: RunLog): Promise<void> {
  const signal = AbortSignal.timeout(dropTimeoutMs);
  const options = { lockWaitMs: dropLockWaitMs, observer: silentObserver };
  try {
    await context.vault.exclusively((remover) => remover.remove([id], signal), options, signal);
  } catch (error) {
    const why = errorText(error);
    log.warning(
      `Nothing was changed, but the safety backup ${id} stays, for it could not be removed (${why}); rotate --safety-older-than removes it`,
    );
  }
}

async function takeOrWarn(
  context: OperationContext,
  source: Source,
  log: RunLog,
  signal: AbortSignal,
): Promise<Backup | undefined> {
  try {
    return await takeSafetyOf(context, source, log, signal);
  } catch (error) {
    signal.throwIfAborted();
    // Not even its files can be read as a source: a state that damaged is kept as it is, by the swap.
    if (!isBackupError(error, "storage-unavailable", "no-space", "source-unavailable", "unsupported"))
      throw error;
    log.warning(
      `No safety backup could be taken (${errorText(error)}); the previous state is kept beside the target`,
    );
    return undefined;
  }
}

/** Takes a safety backup of any databases and folders. Rotation neither counts nor follows it (I4). */
export async function takeSafetyOf(
  context: OperationContext,
  source: Source,
  log: RunLog,
  signal: AbortSignal,
): Promise<Backup> {
  const { databases, folders } = source;
  log.progress({ phase: "safety-backup", bytesDone: 0, itemsDone: 0 });
  const type = folders.length === 0 ? "database" : databases.length === 0 ? "storage" : "full";
  // Problems of the safety backup are warnings of the restore, not problems of what it restores.
  const own = new RunLog(
    { progress() {}, warning: (text) => log.warning(text), problem() {} },
    context.clock,
  );
  const backup = await takeBackup(
    context,
    { source, type, safety: true, tags: [], check: "quick_check", level: undefined },
    own,
    signal,
  );
  for (const { kind, path, message } of own.problems) {
    if (kind === "unreadable")
      log.warning(`The safety backup lacks ${path}: ${message}; it is kept beside the target`);
  }
  log.finalProgress({ phase: "safety-backup", bytesDone: backup.sourceBytes, itemsDone: 1 });
  return backup;
}

async function sourceOf(
  context: OperationContext,
  prepared: PreparedRestore,
  signal: AbortSignal,
): Promise<Source> {
  const databases: DatabaseSource[] = [];
  const folders: FolderSource[] = [];
  for (const staged of prepared.layout.staged) {
    const { target, place } = staged;
    if (place.state === "absent") continue;
    if (target.kind === "database") databases.push({ name: target.name, path: target.path });
    else {
      const excludes = prepared.selection.partial ? await excludesFor(prepared, staged, signal) : [];
      if (excludes !== undefined) folders.push(folderSource(staged, excludes));
    }
  }
  const name = prepared.backup.source || (context.sources[0]?.name ?? "restored");
  return { name, databases, folders, references: [] };
}

function folderSource({ target }: StagedTarget, excludes: readonly string[]): FolderSource {
  const { name, path } = target;
  return { name, path, excludes, oneFileSystem: false, excludeCaches: false, plainFiles: [] };
}

/** What to leave out so that only files that will be replaced are taken; undefined if there are none. */
async function excludesFor(
  { reader, selection }: PreparedRestore,
  { target, place }: StagedTarget,
  signal: AbortSignal,
): Promise<readonly string[] | undefined> {
  const replaced: string[] = [];
  for await (const entry of reader.entries(signal)) {
    if (entry.root !== target.name || entry.kind === "directory" || !selection.selects(entry)) continue;
    const current = await lstat(byteStringToPath(absolutePath(place.path, entry.path))).catch(
      () => undefined,
    );
    if (current === undefined) continue;
    const path = byteStringToUtf8(entry.path);
    if (path === undefined || replaced.length >= namedFilesMax) return [];
    replaced.push(path);
  }
  return replaced.length === 0 ? undefined : onlyPatterns(replaced);
}

/** Written live, the old content has no other copy. */
function requireLive({ layout }: PreparedRestore, backup: Backup | undefined): void {
  const lost = layout.live.find(({ name }) => !backup?.databases.some((database) => database.name === name));
  if (lost === undefined) return;
  throw new BackupError(
    "unsafe",
    `Cannot write ${lost.path} live: its current content could not be saved first`,
    {
      hint: "Stop the app and restore without --live: what is there is then kept as it is.",
    },
  );
}
