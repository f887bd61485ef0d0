/**
 * Keeps what verification found as records beside the backups, so that lists and
 * rotation know it.
 *
 * @module
 */

import { isoWithOffset } from "../domain/clock.ts";
import { isBackupError } from "../domain/error.ts";
import type { VaultRecord } from "../vault/vault.ts";
import type { OperationContext } from "./context.ts";
import type { RunOptions, Started } from "./requests.ts";

/** What is to be remembered of one backup. */
export interface Finding {
  readonly id: string;
  readonly ok: boolean;
  /** The first damage, as one line; empty where there is none. */
  readonly message: string;
}

/**
 * Records findings in the place of older ones. A read-only vault keeps none. What was found is
 * worth more than the note of it: a full vault still gets its answer, and a warning.
 */
export async function recordFindings(
  context: OperationContext,
  findings: readonly Finding[],
  { observer, signal }: Started<RunOptions>,
): Promise<void> {
  const [first] = findings;
  if (context.vault.readOnly || first === undefined) return;
  try {
    await record(context, findings, signal);
  } catch (error) {
    if (!isBackupError(error, "no-space", "storage-unavailable")) throw error;
    const what = findings.length === 1 ? first.id : `${findings.length} backups`;
    observer.warning(`What was found of ${what} could not be recorded in the vault: ${error.message}`);
  }
}

/** Adds what was found and then removes older findings of these backups: there is never none. */
async function record(
  context: OperationContext,
  findings: readonly Finding[],
  signal: AbortSignal,
): Promise<void> {
  const { records } = context.vault;
  const older = await olderFindings(context, findings, signal);
  const at = isoWithOffset(context.clock.now());
  const host = context.machine.owner.host;
  for (const { id, ok, message } of findings) {
    signal.throwIfAborted();
    await records.add({ kind: ok ? "verified" : "damaged", backupId: id, at, host, message }, signal);
  }
  if (older.length > 0) await records.remove(older, signal);
}

async function olderFindings(
  { vault }: OperationContext,
  findings: readonly Finding[],
  signal: AbortSignal,
): Promise<readonly VaultRecord[]> {
  const ids = new Set(findings.map(({ id }) => id));
  const [only] = ids;
  // Of one backup only its own are read.
  const all = await vault.records.list(
    signal,
    ids.size === 1 && only !== undefined ? { backupId: only } : {},
  );
  return all.filter(
    ({ kind, backupId }) =>
      (kind === "verified" || kind === "damaged") && backupId !== undefined && ids.has(backupId),
  );
}
