/**
 * `copy`: backups of one vault into another, of the same or the other format.
 *
 * @module
 */

import { realpath } from "node:fs/promises";
import type { Backup } from "../../domain/backup.ts";
import { BackupError, isBackupError } from "../../domain/error.ts";
import type { OperationContext } from "../context.ts";
import { findStoredBackup } from "../find-backup.ts";
import { listBackups } from "../list-backups.ts";
import type { Started } from "../requests.ts";
import { RunLog } from "../run-log.ts";
import { copyBackup } from "./copy-backup.ts";
import { CopyMeter } from "./copy-meter.ts";
import type { CopyOutcome, CopyRequest, CopyResult } from "./copy-requests.ts";
import { CopyTarget } from "./copy-target.ts";

/**
 * Copies what the target does not have yet, oldest first. A backup that cannot be read does not
 * stop the others: it is one of the outcomes, and nothing of it is left in the target.
 *
 * @throws {BackupError} `not-found` for a backup that was named; `unsupported` for a named one that
 *   cannot be copied; `invalid-input` if both vaults are the same; `no-space`, `storage-unavailable`, `locked` of the target
 */
export async function copyBackups(
  from: OperationContext,
  to: OperationContext,
  request: Started<CopyRequest>,
): Promise<CopyResult> {
  await refuseSameVault(from, to);
  const wanted = await wantedBackups(from, request);
  const target = await CopyTarget.open(to.vault, request.signal);
  const plan = wanted.map((backup) => planOne(backup, target, request));
  const bytes = plan.reduce((sum, one) => sum + (one.outcome === "copied" ? one.backup.sourceBytes : 0), 0);
  if (request.dryRun === true) return { outcomes: plan, bytesCopied: bytes, dryRun: true };
  const log = new RunLog(request.observer, from.clock);
  const meter = new CopyMeter(log, bytes, plan.filter(({ outcome }) => outcome === "copied").length);
  const outcomes: CopyOutcome[] = [];
  for (const one of plan) {
    request.signal.throwIfAborted();
    outcomes.push(
      one.outcome === "copied" ? await copyOne(from, to, one.backup, { log, meter, target, request }) : one,
    );
  }
  meter.end();
  return { outcomes, bytesCopied: meter.bytesOfWhole, dryRun: false };
}

/** Oldest first: whoever looks at the target meanwhile sees a history that grows at its end. */
async function wantedBackups(
  context: OperationContext,
  request: Started<CopyRequest>,
): Promise<readonly Backup[]> {
  if (request.backups === undefined) return (await listBackups(context, request)).toReversed();
  const { source, type, signal } = request;
  const found = new Map<string, Backup>();
  for (const reference of request.backups) {
    const backup = await findStoredBackup(context, reference, { source, type, preferTrusted: false, signal });
    found.set(backup.id, backup);
  }
  return [...found.values()].toSorted((a, b) => a.startedAtMs - b.startedAtMs);
}

function planOne(backup: Backup, target: CopyTarget, request: Started<CopyRequest>): CopyOutcome {
  const copy = target.find(backup);
  if (copy !== undefined) return { outcome: "there", backup, copy };
  const reason = whyNotCopied(backup);
  if (reason === "") return { outcome: "copied", backup };
  if (request.backups === undefined) return { outcome: "left-out", backup, reason };
  throw new BackupError("unsupported", `Cannot copy ${backup.id}: ${reason}`, {
    hint: "Copy its files themselves, or restore it and back that up.",
  });
}

/** Without metadata nobody knows what it is a backup of, nor whether its bytes are what they were. */
function whyNotCopied({ state, source, stateReason }: Backup): string {
  if (state === "unverified") return "it has no metadata of this program";
  return source === "" ? `its metadata cannot be read: ${stateReason}` : "";
}

interface CopyRun {
  readonly log: RunLog;
  readonly meter: CopyMeter;
  readonly target: CopyTarget;
  readonly request: Started<CopyRequest>;
}

async function copyOne(
  from: OperationContext,
  to: OperationContext,
  backup: Backup,
  { log, meter, target, request }: CopyRun,
): Promise<CopyOutcome> {
  const { signal, level } = request;
  meter.begin(backup);
  const there = await target.lookFor(backup, signal);
  if (there !== undefined) return passedOver(backup, there, meter);
  try {
    const copy = await copyBackup({ from, to, backup, level, log, meter, target }, signal);
    target.add(copy);
    meter.done();
    return { outcome: "copied", backup, copy };
  } catch (error) {
    const copy = isBackupError(error, "exists") ? target.find(backup) : undefined;
    if (copy !== undefined) return passedOver(backup, copy, meter);
    meter.failed();
    // Of the target no such thing is said while it is written to.
    if (!isBackupError(error, "damaged", "not-found", "unsupported", "unsafe", "invalid-input")) throw error;
    return { outcome: "failed", backup, error };
  }
}

/** Another run was faster. */
function passedOver(backup: Backup, copy: Backup, meter: CopyMeter): CopyOutcome {
  meter.failed();
  return { outcome: "there", backup, copy };
}

async function refuseSameVault(from: OperationContext, to: OperationContext): Promise<void> {
  const [one, other] = await Promise.all([from, to].map(placeOf));
  if (from.vault !== to.vault && one !== other) return;
  throw new BackupError("invalid-input", `Cannot copy ${from.vault.location} into itself`, {
    hint: "Name another vault to copy to.",
  });
}

async function placeOf({ vault, vaultDirectory }: OperationContext): Promise<string> {
  return vaultDirectory === undefined ? vault.location : await realpath(vaultDirectory);
}
