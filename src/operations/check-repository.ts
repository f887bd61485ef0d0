/**
 * Verifies a repository as a whole: what its backups share is looked at once, not
 * once for each of them.
 *
 * @module
 */

import type { CheckReport } from "../vault/maintenance.ts";
import type { OperationContext } from "./context.ts";
import { requireMaintenance } from "./require-maintenance.ts";
import type { Started, VerifyRequest, VerifyResult } from "./requests.ts";
import type { ReadData } from "./vault-requests.ts";
import { type Finding, recordFindings } from "./verify-records.ts";

/**
 * One report for each backup, and what is wrong with the repository.
 *
 * @throws {BackupError} `unsupported` on an archive vault; `locked`
 */
export async function checkRepository(
  context: OperationContext,
  readData: ReadData,
  request: Started<VerifyRequest>,
): Promise<VerifyResult> {
  const maintenance = requireMaintenance(context, "readData");
  const { lockWaitMs } = context;
  const { observer, signal } = request;
  const report = await maintenance.check({ readData, lockWaitMs, observer }, signal);
  await recordFindings(context, findings(report, readData), request);
  const { damages, notes, packsRead, packsTotal, bytesRead } = report;
  const affected = new Set(report.affected);
  return {
    ok: report.ok,
    reports: report.checked.map((id) => {
      const ok = !affected.has(id);
      // Bytes and entries are shared, so they are counted for the repository.
      return { id, ok, unverified: false, damages: [], bytesRead: 0, entriesChecked: 0, databasesChecked: 0 };
    }),
    repository: { damages, notes, packsRead, packsTotal, bytesRead },
  };
}

/**
 * A backup counts as verified only when all its data was read: a sound structure says nothing
 * of the bytes, and must not wipe out that they were found damaged.
 */
function findings({ checked, affected, damages }: CheckReport, readData: ReadData): readonly Finding[] {
  const [first] = damages;
  const message = first === undefined ? "" : `${first.object}: ${first.message}`;
  const bad = new Set(affected);
  const judged = readData === "all" ? checked : checked.filter((id) => bad.has(id));
  return judged.map((id) => ({ id, ok: !bad.has(id), message: bad.has(id) ? message : "" }));
}
