/**
 * `rotate`: applies retention. What stays is decided by `domain/retention.ts`; this
 * module plans and removes under the vault's exclusive lock, so that the plan is made
 * from what is there (I5, I7).
 *
 * @module
 */

import type { Backup } from "../domain/backup.ts";
import { parseDuration } from "../domain/duration.ts";
import { planRetention, type SafetyRule } from "../domain/retention.ts";
import { checkRetentionRules } from "../domain/retention-rules.ts";
import type { OperationContext } from "./context.ts";
import { pruneVault } from "./maintain.ts";
import { requireMaintenance } from "./require-maintenance.ts";
import type { RotateRequest, RotateResult, Started } from "./requests.ts";

/**
 * A dry run takes no lock and works on a read-only vault too.
 *
 * @param justMade Id of the backup it comes after, which stays
 * @throws {BackupError} `invalid-input` for rules that keep nothing; `unsupported` for a prune
 *   where nothing needs one; `locked`
 */
export async function rotateBackups(
  context: OperationContext,
  request: Started<RotateRequest>,
  justMade?: string,
): Promise<RotateResult> {
  checkRetentionRules(request.rules ?? context.retention);
  // Before anything is removed.
  if (request.safetyOlderThan !== undefined) parseDuration(request.safetyOlderThan);
  if (request.prune === true) requireMaintenance(context, "prune");
  if (request.dryRun === true)
    return await plan(context, request, await context.vault.list(request.signal), justMade);
  const result = await removeBackups(context, request, justMade);
  if (request.prune !== true) return result;
  const { signal, observer } = request;
  return { ...result, pruned: await pruneVault(context, { signal, observer }) };
}

async function removeBackups(
  context: OperationContext,
  request: Started<RotateRequest>,
  justMade: string | undefined,
): Promise<RotateResult> {
  const { signal, observer } = request;
  observer.progress({ phase: "lock", bytesDone: 0, itemsDone: 0 });
  return await context.vault.exclusively(
    async (remover) => {
      const result = await plan(context, request, await remover.list(signal), justMade);
      const total = result.removed.length;
      observer.progress({ phase: "rotate", bytesDone: 0, itemsDone: 0, itemsTotal: total });
      if (total > 0) await remover.remove(result.removed, signal);
      observer.progress({
        phase: "rotate",
        bytesDone: result.freedBytes,
        itemsDone: total,
        itemsTotal: total,
      });
      return result;
    },
    { lockWaitMs: context.lockWaitMs, observer },
    signal,
  );
}

async function plan(
  context: OperationContext,
  request: Started<RotateRequest>,
  backups: readonly Backup[],
  justMade: string | undefined,
): Promise<RotateResult> {
  const wanted = backups.filter(
    (backup) =>
      (request.source === undefined || backup.source === request.source) &&
      (request.type === undefined || backup.type === request.type),
  );
  const rules = request.rules ?? context.retention;
  const { decisions, held } = planRetention(
    wanted,
    rules,
    context.clock.now(),
    justMade,
    await safetyRule(context, request),
  );
  const going = decisions.filter((decision) => !decision.keep).map((decision) => decision.backup);
  // What a backup of a repository has stored may be needed by the others.
  const awaitsPrune = context.vault.format === "repository";
  return {
    decisions,
    removed: going.map((backup) => backup.id),
    freedBytes: awaitsPrune ? 0 : going.reduce((sum, backup) => sum + backup.storedBytes, 0),
    awaitsPrune,
    dryRun: request.dryRun === true,
    held,
  };
}

/** I4: safety backups go by explicit wish only, and none that brings back what a restore replaced. */
async function safetyRule(
  context: OperationContext,
  { safetyOlderThan }: Started<RotateRequest>,
): Promise<SafetyRule | undefined> {
  if (safetyOlderThan === undefined) return undefined;
  // Most runs rotate without it, and need nothing that restores are made of.
  const { openJournals } = await import("./restore/recover.ts");
  const needed = (await openJournals(context).list()).map(({ safetyBackupId }) => safetyBackupId);
  return { olderThan: safetyOlderThan, needed: new Set(needed.filter((id) => id !== undefined)) };
}
