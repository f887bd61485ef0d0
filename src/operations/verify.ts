/**
 * `verify`: reads backups again and names what is wrong. The vault compares bytes;
 * databases are opened by the capture process, on copies.
 *
 * @module
 */

import { stat } from "node:fs/promises";
import type { Backup } from "../domain/backup.ts";
import { isoWithOffset } from "../domain/clock.ts";
import type { DatabaseCapturer } from "../source/database-capturer.ts";
import type { VerifyReport } from "../vault/vault.ts";
import type { OperationContext } from "./context.ts";
import { findStoredBackup } from "./find-backup.ts";
import type { Started, VerifiedBackup, VerifyRequest, VerifyResult } from "./requests.ts";
import { openScratch } from "./scratch.ts";

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
  const backups = await backupsToVerify(context, request);
  await using capturer = await context.openCapturer();
  const reports: VerifiedBackup[] = [];
  for (const backup of backups) {
    request.signal.throwIfAborted();
    const report = await verifyOne(context, backup, capturer, request);
    if (!context.vault.readOnly && !report.unverified) await record(context, report, request.signal);
    reports.push(report);
  }
  return { ok: reports.every((report) => report.ok), reports };
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

async function verifyOne(
  context: OperationContext,
  backup: Backup,
  capturer: DatabaseCapturer,
  request: Started<VerifyRequest>,
): Promise<VerifyReport> {
  const { signal, observer } = request;
  await using scratch = await openScratch(context);
  return await context.vault.verify(
    backup.id,
    {
      depth: request.depth ?? "content",
      observer,
      scratchDirectory: scratch.directory,
      checkDatabase: async (imagePath, checkSignal) => {
        const check = await capturer.checkImage(imagePath, "quick_check", checkSignal);
        return check.ok || (await wasDamaged(backup, imagePath)) ? [] : check.messages;
      },
    },
    signal,
  );
}

/**
 * A declared database that was damaged already is stored exactly as it was. That its check
 * fails again says nothing about the backup's bytes, which is what is verified here.
 */
async function wasDamaged(backup: Backup, imagePath: string): Promise<boolean> {
  const { size } = await stat(imagePath);
  return backup.databases.some((database) => !database.check.ok && database.sizeBytes === size);
}

/** Adds what was found and then removes older findings of this backup: there is never none. */
async function record(context: OperationContext, report: VerifyReport, signal: AbortSignal): Promise<void> {
  const { records } = context.vault;
  const older = (await records.list(signal)).filter(
    (candidate) =>
      candidate.backupId === report.id && (candidate.kind === "verified" || candidate.kind === "damaged"),
  );
  const first = report.damages[0];
  await records.add(
    {
      kind: report.ok ? "verified" : "damaged",
      backupId: report.id,
      at: isoWithOffset(context.clock.now()),
      host: context.machine.owner.host,
      message: first === undefined ? "" : `${first.object}: ${first.message}`,
    },
    signal,
  );
  if (older.length > 0) await records.remove(older, signal);
}
