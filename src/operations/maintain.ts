/**
 * What is done to a repository as a whole: prune, unlock, repair, and the facts for
 * its recovery kit. The vault does the work; here requests get their defaults.
 *
 * @module
 */

import { BackupError } from "../domain/error.ts";
import type { LockOptions } from "../vault/vault.ts";
import type { OperationContext } from "./context.ts";
import type { RunOptions, Started } from "./requests.ts";
import { requireMaintenance } from "./require-maintenance.ts";
import type {
  CreatedVault,
  PruneRequest,
  PruneResult,
  RecoveryFacts,
  RepairBackupsReport,
  RepairBackupsRequest,
  RepairIndexReport,
  UnlockRequest,
  UnlockResult,
} from "./vault-requests.ts";

/** As restic: less would rewrite much for little. */
const defaultMaxUnusedPercent = 5;

/** A recovery kit is one page. */
const kindsMax = 20;

/** What is to be said of a vault that was just made. */
export async function describeNewVault(
  { vault }: OperationContext,
  { signal }: Started<RunOptions>,
): Promise<CreatedVault> {
  const { location, format, maintenance } = vault;
  if (maintenance === undefined) return { vault: location, format };
  const current = (await maintenance.keys.list(signal)).find((key) => key.current);
  return {
    vault: location,
    format,
    repositoryId: maintenance.repositoryId,
    ...(current === undefined ? {} : { keyId: current.id }),
  };
}

/** @throws {BackupError} `invalid-input` for a limit below 0; `locked`; `damaged` before anything is removed */
export async function pruneVault(
  context: OperationContext,
  request: Started<PruneRequest>,
): Promise<PruneResult> {
  const maintenance = requireMaintenance(context, "prune");
  const { maxUnusedPercent = defaultMaxUnusedPercent, maxUnusedBytes, dryRun = false } = request;
  const { confirm, signal } = request;
  if (!(maxUnusedPercent >= 0 && (maxUnusedBytes ?? 0) >= 0)) {
    const limit = maxUnusedBytes === undefined ? `${maxUnusedPercent} percent` : `${maxUnusedBytes} bytes`;
    throw new BackupError("invalid-input", `Cannot prune: ${limit} may stay unused`, {
      hint: "Write a number of at least 0.",
    });
  }
  const report = await maintenance.prune(
    {
      ...lockOptions(context, request),
      maxUnusedPercent,
      ...(maxUnusedBytes === undefined ? {} : { maxUnusedBytes }),
      dryRun,
      confirm: confirm ?? (() => Promise.resolve(true)),
    },
    signal,
  );
  return { plan: report.plan, done: report.done, dryRun };
}

/** Removes locks of runs that are gone, or every lock, and says which are left. */
export async function unlockVault(
  context: OperationContext,
  { all, signal }: Started<UnlockRequest>,
): Promise<UnlockResult> {
  const maintenance = requireMaintenance(context, "unlock");
  const removed = await maintenance.unlock({ all: all === true }, signal);
  return { removed, remaining: await maintenance.locks(signal) };
}

/** @throws {BackupError} `locked` */
export async function repairIndex(
  context: OperationContext,
  request: Started<RunOptions>,
): Promise<RepairIndexReport> {
  const maintenance = requireMaintenance(context, "repairIndex");
  return await maintenance.repairIndex(lockOptions(context, request), request.signal);
}

/** @throws {BackupError} `locked` */
export async function repairBackups(
  context: OperationContext,
  request: Started<RepairBackupsRequest>,
): Promise<RepairBackupsReport> {
  const maintenance = requireMaintenance(context, "repairBackups");
  const { dryRun = false, readData = true, forget: forgotten = [], signal } = request;
  const confirm = request.confirm ?? (() => Promise.resolve(true));
  const options = { ...lockOptions(context, request), dryRun, readData, forgotten, confirm };
  return await maintenance.repairBackups(options, signal);
}

/** Gathers what the recovery kit says. */
export async function gatherRecoveryFacts(
  context: OperationContext,
  { signal }: Started<RunOptions>,
): Promise<RecoveryFacts> {
  const maintenance = requireMaintenance(context, "kit");
  const { vault, machine, clock, passwordPlace, toolVersion } = context;
  const keys = await maintenance.keys.list(signal);
  const newest = new Map<string, RecoveryFacts["newest"][number]>();
  for (const { source, type, safety, neverRemoved } of await vault.list(signal)) {
    // restic's own snapshots carry no tag that names an app.
    if (!safety && neverRemoved !== true) newest.set(`${source} ${type}`, { source, type });
  }
  return {
    vault: vault.location,
    host: machine.owner.host,
    madeAtMs: clock.now(),
    repositoryId: maintenance.repositoryId,
    newest: Array.from(newest.keys())
      .sort()
      .slice(0, kindsMax)
      .map((kind) => newest.get(kind)!),
    ...{ keys, passwordPlace, toolVersion },
  };
}

function lockOptions({ lockWaitMs }: OperationContext, { observer }: Started<RunOptions>): LockOptions {
  return { lockWaitMs, observer };
}
