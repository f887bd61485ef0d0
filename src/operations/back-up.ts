/**
 * `create`: cleans up after interrupted runs, takes the backup, then rotates. What
 * goes wrong after the backup is there is a warning, not a failure.
 *
 * @module
 */

import type { Backup } from "../domain/backup.ts";
import { errorText, isAbort } from "../domain/error.ts";
import { mapBounded } from "./bounded.ts";
import { chooseSource, chooseSources, chooseType, lackingFor } from "./choose-source.ts";
import type { OperationContext } from "./context.ts";
import { recordFailure } from "./record-failure.ts";
import type {
  BackUpAllRequest,
  BackUpRequest,
  BackUpResult,
  RotateResult,
  SourceOutcome,
  Started,
} from "./requests.ts";
import { rotateBackups } from "./rotate.ts";
import { RunLog } from "./run-log.ts";
import { cleanScratch } from "./scratch.ts";
import { SummedProgress } from "./summed-progress.ts";
import { type BackupJob, takeBackup } from "./take-backup.ts";

/** Two backups fill both a disk and a network; more at once make each of them later. */
const sourcesAtOnce = 2;

/** @throws {BackupError} as `takeBackup` and `chooseSource` do */
export async function backUp(
  context: OperationContext,
  request: Started<BackUpRequest>,
): Promise<BackUpResult> {
  const source = chooseSource(context.sources, request.source);
  const job: BackupJob = {
    source,
    type: chooseType(source, request),
    safety: false,
    tags: request.tags ?? [],
    check: request.integrityCheck === true ? "integrity_check" : "quick_check",
    level: request.level,
  };
  const log = new RunLog(request.observer, context.clock);
  await cleanUp(context, log, request.signal);
  const backup = await takeOrRecord(context, job, log, request.signal);
  const rotation = request.rotate === false ? undefined : await rotateAfter(context, backup, log, request);
  const { warnings } = log;
  return { backup, problems: backup.problems, warnings, ...(rotation === undefined ? {} : { rotation }) };
}

/**
 * Backs up all sources, two at a time, and rotates when all are done: removal would wait
 * for the others anyway. One that fails does not stop the others; a cancellation does. One
 * that has nothing of the type asked for is left out, with a warning.
 *
 * @throws {BackupError} as `chooseSources` does
 */
export async function backUpAll(
  context: OperationContext,
  request: Started<BackUpAllRequest>,
): Promise<readonly SourceOutcome[]> {
  const { chosen, leftOut } = chooseSources(context.sources, request.type);
  for (const { name } of leftOut)
    request.observer.warning(`${name} is left out: it has no ${lackingFor(request.type)}`);
  // A walk that waits was begun for a backup that was asked for before.
  await context.dropWalk?.();
  const progress = new SummedProgress(request.observer);
  const outcomes = await mapBounded(chosen, sourcesAtOnce, async ({ name: source }) => {
    request.signal.throwIfAborted();
    const one = { ...request, source, rotate: false, observer: progress.forOne() };
    return await outcomeOf(source, () => backUp(context, one), request);
  });
  if (request.rotate === false) return outcomes;
  const rotated: SourceOutcome[] = [];
  for (const outcome of outcomes) {
    if ("error" in outcome) rotated.push(outcome);
    else rotated.push({ ...outcome, result: await withRotation(context, outcome.result, request) });
  }
  return rotated;
}

async function outcomeOf(
  source: string,
  work: () => Promise<BackUpResult>,
  { signal }: Started<BackUpAllRequest>,
): Promise<SourceOutcome> {
  try {
    return { source, result: await work() };
  } catch (error) {
    signal.throwIfAborted();
    return { source, error: error instanceof Error ? error : new Error(String(error), { cause: error }) };
  }
}

async function withRotation(
  context: OperationContext,
  result: BackUpResult,
  request: Started<BackUpAllRequest>,
): Promise<BackUpResult> {
  const log = new RunLog(request.observer, context.clock);
  const rotation = await rotateAfter(context, result.backup, log, request);
  const warnings = [...result.warnings, ...log.warnings];
  return { ...result, warnings, ...(rotation === undefined ? {} : { rotation }) };
}

/** I8: what interrupted runs left is cleaned by a later one. */
async function cleanUp(context: OperationContext, log: RunLog, signal: AbortSignal): Promise<void> {
  try {
    await context.vault.clean(signal);
    await cleanScratch(context);
  } catch (error) {
    signal.throwIfAborted();
    log.warning(`What an interrupted run left behind could not be removed: ${errorText(error)}`);
  }
}

async function takeOrRecord(
  context: OperationContext,
  job: BackupJob,
  log: RunLog,
  signal: AbortSignal,
): Promise<Backup> {
  try {
    return await takeBackup(context, job, log, signal);
  } catch (error) {
    if (!signal.aborted && !isAbort(error)) await recordFailure(context, job, error, log);
    throw error;
  }
}

/** Only the group that has just grown; a plan that removes nothing needs no lock and waits for nobody. */
async function rotateAfter(
  context: OperationContext,
  backup: Backup,
  log: RunLog,
  { signal }: { readonly signal: AbortSignal },
): Promise<RotateResult | undefined> {
  const request = { source: backup.source, type: backup.type, observer: log, signal };
  try {
    const { removed, ...plan } = await rotateBackups(context, { ...request, dryRun: true }, backup.id);
    for (const held of plan.held) log.warning(held);
    if (removed.length === 0) return { ...plan, removed, dryRun: false };
    return await rotateBackups(context, request, backup.id);
  } catch (error) {
    // The backup is there; whoever cancels now, or a vault that is busy, does not undo that.
    log.warning(`${backup.id} was made, but older backups were not rotated: ${errorText(error)}`);
    return undefined;
  }
}
