/**
 * Writes down in the vault that a run failed, for `stats` and for whoever looks
 * from another host.
 *
 * @module
 */

import { isoWithOffset } from "../domain/clock.ts";
import { errorText } from "../domain/error.ts";
import type { OperationContext } from "./context.ts";
import type { RunLog } from "./run-log.ts";
import type { BackupJob } from "./take-backup.ts";

/** A record that cannot be written must not keep the failure it tells of from the caller for long. */
const recordTimeoutMs = 10_000;

/** A job that fails every five minutes must not fill the vault with records. */
const failuresKeptMax = 1000;

/** Never throws: the failure that is being recorded is what the caller needs to hear of. */
export async function recordFailure(
  context: OperationContext,
  job: BackupJob,
  failure: unknown,
  log: RunLog,
): Promise<void> {
  const { records } = context.vault;
  const signal = AbortSignal.timeout(recordTimeoutMs);
  const at = isoWithOffset(context.clock.now());
  const host = context.machine.owner.host;
  const message = `${job.source.name} (${job.type}): ${errorText(failure)}`;
  try {
    await records.add({ kind: "failed", at, host, message }, signal);
    const failures = await records.list(signal, { kind: "failed" });
    const oldestFirst = failures.toSorted((a, b) => Date.parse(a.at) - Date.parse(b.at));
    const surplus = oldestFirst.slice(0, Math.max(0, failures.length - failuresKeptMax));
    if (surplus.length > 0) await records.remove(surplus, signal);
  } catch (error) {
    log.warning(`The failure could not be recorded in the vault: ${errorText(error)}`);
  }
}
