/**
 * `stats`: what a vault holds, in numbers.
 *
 * @module
 */

import { type Backup, backupTypes } from "../domain/backup.ts";
import type { OperationContext } from "./context.ts";
import type { RunOptions, Started, StatsResult, TypeStats } from "./requests.ts";

export async function getBackupStats(
  context: OperationContext,
  { signal }: Started<RunOptions>,
): Promise<StatsResult> {
  const [backups, failures, freeBytes] = await Promise.all([
    context.vault.list(signal),
    context.vault.records.list(signal, { kind: "failed" }),
    context.vault.freeBytes(signal),
  ]);
  return {
    vault: context.vault.location,
    total: backups.length,
    storedBytes: storedBytes(backups),
    byType: backupTypes.map((type) => statsOfType(type, backups)),
    ...firstAndLast(backups),
    // Files of the Python original tell nothing about runs of ours.
    succeeded: backups.filter((backup) => backup.state !== "unverified").length,
    failed: failures.length,
    safetyCount: backups.filter((backup) => backup.safety).length,
    ...(freeBytes === undefined ? {} : { freeBytes }),
  };
}

function statsOfType(type: TypeStats["type"], backups: readonly Backup[]): TypeStats {
  const ofType = backups.filter((backup) => backup.type === type);
  return { type, count: ofType.length, storedBytes: storedBytes(ofType), ...firstAndLast(ofType) };
}

/** Vaults list newest first. */
function firstAndLast(backups: readonly Backup[]): { lastAt?: string; oldestAt?: string } {
  const [newest, oldest] = [backups[0], backups.at(-1)];
  return newest === undefined || oldest === undefined
    ? {}
    : { lastAt: newest.startedAt, oldestAt: oldest.startedAt };
}

function storedBytes(backups: readonly Backup[]): number {
  return backups.reduce((sum, backup) => sum + backup.storedBytes, 0);
}
