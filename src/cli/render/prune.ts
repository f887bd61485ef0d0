/**
 * What a prune is going to do, and what it did.
 *
 * @module
 */

import { formatBytes, formatQuantity } from "../../domain/units.ts";
import type { PrunePlan, PruneResult } from "../../operations/vault-requests.ts";
import { renderFacts } from "./facts.ts";
import type { Palette } from "./palette.ts";

/** The plan, line by line. */
export function prunePlanLines(plan: PrunePlan, palette: Palette): string[] {
  if (isIdle(plan)) return [];
  const rewritten = `${formatQuantity(plan.packsRepacked, "pack")}, ${formatBytes(plan.bytesRepacked)}`;
  return renderFacts(
    [
      ["needed", formatBytes(plan.bytesUsed)],
      ["not needed", formatBytes(plan.bytesUnused)],
      ["stay", formatQuantity(plan.packsKept, "pack")],
      ["are rewritten", plan.packsRepacked === 0 ? "" : rewritten],
      ["are removed", formatQuantity(plan.packsRemoved, "pack")],
      ["frees", `${formatBytes(plan.bytesFreed)}; ${formatBytes(plan.bytesUnusedAfter)} stay unused`],
    ],
    palette.dim,
  );
}

/** One sentence on the outcome. */
export function pruneSummary({ plan, done, dryRun }: PruneResult, palette: Palette): string {
  if (done) return palette.green(`${formatBytes(plan.bytesFreed)} freed`);
  if (!isIdle(plan)) return dryRun ? "Nothing was changed: this is what would be." : "Nothing was changed.";
  const unused = plan.bytesUnused === 0 ? "nothing" : `only ${formatBytes(plan.bytesUnused)}`;
  return `Nothing to free: ${formatBytes(plan.bytesUsed)} are needed, ${unused} is not.`;
}

function isIdle(plan: PrunePlan): boolean {
  return plan.packsRemoved + plan.packsRepacked === 0;
}
