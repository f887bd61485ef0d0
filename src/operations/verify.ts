/**
 * `verify`: reads backups again and names what is wrong. The vault compares bytes;
 * databases are opened by the capture process, on copies.
 *
 * @module
 */

import type { Backup, Problem } from "../domain/backup.ts";
import { BackupError, isBackupError } from "../domain/error.ts";
import type { Observer, Progress } from "../domain/progress.ts";
import type { DatabaseCapturer } from "../source/capture/database-capturer.ts";
import type { Damage, VerifyReport } from "../vault/vault.ts";
import { checkRepository } from "./check-repository.ts";
import type { OperationContext } from "./context.ts";
import { findStoredBackup } from "./find-backup.ts";
import type { Started, VerifiedBackup, VerifyRequest, VerifyResult } from "./requests.ts";
import { openScratch } from "./scratch.ts";
import type { ReadData } from "./vault-requests.ts";
import { type Finding, recordFindings } from "./verify-records.ts";

/**
 * Verifies one backup, or all of the vault one after the other. What was found is recorded
 * beside each backup, so that lists and rotation know it; a read-only vault keeps no record.
 *
 * @throws {BackupError} `not-found` where the reference names none
 */
export async function verifyBackup(
  context: OperationContext,
  request: Started<VerifyRequest>,
): Promise<VerifyResult> {
  const readData = dataOfWhole(context, request);
  if (readData !== undefined) return await checkRepository(context, readData, request);
  const backups = await backupsToVerify(context, request);
  // Before what is found is recorded: that takes the place of older findings, damaged ones too.
  const beside = await checkBeside(context, request);
  await using capturer = await context.openCapturer();
  const reports: VerifiedBackup[] = [];
  const progress = new VerifyProgress(request.observer, backups);
  for (const backup of backups) {
    request.signal.throwIfAborted();
    const report = await verifyUnlessRemoved(context, backup, { capturer, observer: progress }, request);
    progress.finished(backup);
    if (report === undefined) continue;
    if (!report.unverified) await recordFindings(context, [findingOf(report)], request);
    reports.push(report);
  }
  const ok = reports.every((report) => report.ok);
  return beside === undefined ? { ok, reports } : { ok: ok && beside.length === 0, reports, beside };
}

/** Of all backups also what lies beside them. */
async function checkBeside(
  { vault }: OperationContext,
  { backup, source, signal }: Started<VerifyRequest>,
): Promise<readonly Damage[] | undefined> {
  return backup === undefined && source === undefined ? await vault.checkBeside?.(signal) : undefined;
}

/**
 * What is read of a repository that is checked as a whole; undefined where backups are
 * verified one by one.
 */
function dataOfWhole(
  { vault }: OperationContext,
  { backup, source, depth, readData }: VerifyRequest,
): ReadData | undefined {
  if (readData !== undefined && backup !== undefined) {
    throw new BackupError(
      "invalid-input",
      `Cannot verify ${backup} in part: that is for whole repositories`,
      {
        hint: "Name no backup, or leave out how much is to be read.",
      },
    );
  }
  if (backup !== undefined) return undefined;
  // Of an archive vault everything is read anyway.
  if (readData === "all" && vault.maintenance === undefined) return undefined;
  if (readData !== undefined) return readData;
  if (vault.maintenance === undefined || source !== undefined) return undefined;
  return depth === "content" ? "all" : "none";
}

async function backupsToVerify(
  context: OperationContext,
  request: Started<VerifyRequest>,
): Promise<readonly Backup[]> {
  const { backup, source, signal } = request;
  if (backup !== undefined) {
    return [await findStoredBackup(context, backup, { source, preferTrusted: false, signal })];
  }
  const all = await context.vault.list(signal);
  return all.filter((candidate) => source === undefined || candidate.source === source);
}

interface VerifyTools {
  readonly capturer: DatabaseCapturer;
  readonly observer: Observer;
}

/**
 * Undefined for one that was rotated away since all were listed: reading a large vault takes
 * hours, and no rotation should have to wait for it.
 */
async function verifyUnlessRemoved(
  context: OperationContext,
  backup: Backup,
  tools: VerifyTools,
  request: Started<VerifyRequest>,
): Promise<VerifyReport | undefined> {
  try {
    const report = await verifyOne(context, backup, tools, request);
    // Removed while it was read, it seems damaged: whether it is there at all decides.
    if (!report.ok && request.backup === undefined) await requireThere(context, backup, request.signal);
    return report;
  } catch (error) {
    if (request.backup === undefined && isBackupError(error, "not-found")) return undefined;
    throw error;
  }
}

/** @throws {BackupError} `not-found` if the backup is gone; one that cannot be read is there */
async function requireThere(context: OperationContext, { id }: Backup, signal: AbortSignal): Promise<void> {
  try {
    await using _opened = await context.vault.open(id, signal);
  } catch (error) {
    if (!isBackupError(error, "damaged", "unsupported")) throw error;
  }
}

async function verifyOne(
  context: OperationContext,
  backup: Backup,
  { capturer, observer }: VerifyTools,
  { signal, depth }: Started<VerifyRequest>,
): Promise<VerifyReport> {
  await using scratch = await openScratch(context);
  return await context.vault.verify(
    backup.id,
    {
      depth: depth ?? "content",
      observer,
      scratchDirectory: scratch.directory,
      checkDatabase: async (imagePath, checkSignal) => {
        const check = await capturer.checkImage(imagePath, "quick_check", checkSignal);
        return check.ok ? [] : check.messages;
      },
    },
    signal,
  );
}

function findingOf({ id, ok, damages: [first] }: VerifyReport): Finding {
  return { id, ok, message: first === undefined ? "" : `${first.object}: ${first.message}` };
}

/** Vaults count from 0 for each backup; this counts through all of them. */
class VerifyProgress implements Observer {
  readonly #observer: Observer;
  readonly #bytesTotal: number;
  readonly #itemsTotal: number;
  #bytesBefore = 0;
  #bytesDone = 0;
  #itemsDone = 0;

  constructor(observer: Observer, backups: readonly Backup[]) {
    this.#observer = observer;
    this.#bytesTotal = backups.reduce((sum, backup) => sum + backup.storedBytes, 0);
    this.#itemsTotal = backups.length;
  }

  progress({ bytesDone, current }: Progress): void {
    this.#report(this.#bytesBefore + bytesDone, current);
  }

  /** What was not read, because it is not there, counts as done. */
  finished(backup: Backup): void {
    this.#itemsDone++;
    this.#bytesBefore += backup.storedBytes;
    this.#report(this.#bytesBefore, backup.id);
  }

  warning(message: string): void {
    this.#observer.warning(message);
  }

  problem(problem: Problem): void {
    this.#observer.problem(problem);
  }

  #report(bytesDone: number, current: string | undefined): void {
    // A file that has grown is read to its end, and must not make the figure fall afterwards.
    this.#bytesDone = Math.max(this.#bytesDone, bytesDone);
    this.#observer.progress({
      phase: "verify",
      bytesDone: this.#bytesDone,
      bytesTotal: Math.max(this.#bytesTotal, this.#bytesDone),
      itemsDone: this.#itemsDone,
      itemsTotal: this.#itemsTotal,
      ...(current === undefined ? {} : { current }),
    });
  }
}
