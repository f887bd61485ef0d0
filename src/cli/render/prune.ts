/**
 * What a prune is going to do, and what it did.
 *
 * @module
 */

import { formatBytes, formatQuantity } from "../../domain/units.ts";
import type { PrunePlan, PruneResult } from "../../operations/vault-requests.ts";
import { type Fact, renderFacts } from "./facts.ts";
import type { Palette } from "./palette.ts";

/** The plan, line by line. */
export function prunePlanLines(plan: PrunePlan, palette: Palette): string[] {
  const packs = hasPacks(plan) ? packFacts(plan) : [];
  const removed = [...(hasPacks(plan) ? [formatQuantity(plan.packsRemoved, "pack")] : []), ...records(plan)];
  const freed = `${formatBytes(plan.bytesFreed)}; ${formatBytes(plan.bytesUnusedAfter)} stay unused`;
  const facts: Fact[] = [...packs, ["are removed", removed], ["frees", hasPacks(plan) ? freed : ""]];
  // Rarely what is meant, and nothing brings it back.
  const warning = hasPacks(plan) && plan.backups === 0;
  return [
    ...(warning ? [palette.yellow("There is no backup: nothing of what is stored is needed.")] : []),
    ...renderFacts(facts, palette.dim),
  ];
}

/** One sentence on the outcome. */
export function pruneSummary({ plan, done, dryRun }: PruneResult, palette: Palette): string {
  if (done)
    return palette.green([`${formatBytes(plan.bytesFreed)} freed`, ...records(plan)].join("; removed: "));
  if (hasPacks(plan) || plan.recordsRemoved > 0)
    return dryRun ? "Nothing was changed: this is what would be." : "Nothing was changed.";
  const unused = plan.bytesUnused === 0 ? "nothing" : `only ${formatBytes(plan.bytesUnused)}`;
  return `Nothing to free: ${formatBytes(plan.bytesUsed)} are needed, ${unused} is not.`;
}

function packFacts(plan: PrunePlan): Fact[] {
  const rewritten = `${formatQuantity(plan.packsRepacked, "pack")}, ${formatBytes(plan.bytesRepacked)}`;
  return [
    ["needed", formatBytes(plan.bytesUsed)],
    ["not needed", formatBytes(plan.bytesUnused)],
    ["stay", formatQuantity(plan.packsKept, "pack")],
    ["are rewritten", plan.packsRepacked === 0 ? "" : rewritten],
  ];
}

function records({ recordsRemoved }: PrunePlan): string[] {
  if (recordsRemoved === 0) return [];
  return [
    `${formatQuantity(recordsRemoved, "record")} (pins and the like) of backups that are no longer there`,
  ];
}

function hasPacks(plan: PrunePlan): boolean {
  return plan.packsRemoved + plan.packsRepacked > 0;
}
