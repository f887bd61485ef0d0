/**
 * What a prune is going to do, and what it did.
 *
 * @module
 */

import { formatBytes, formatCount, formatQuantity } from "../../domain/units.ts";
import type { PruneResult } from "../../operations/vault-requests.ts";
import type { Palette } from "./palette.ts";
import { renderTable } from "./table.ts";

type Plan = PruneResult["plan"];

/** The plan as a table, with its sum below. */
export function prunePlanLines(plan: Plan, palette: Palette): string[] {
  const row = (what: string, count: string, bytes: number | undefined) => [
    { text: what },
    { text: count },
    { text: bytes === undefined ? "" : formatBytes(bytes) },
  ];
  const table = renderTable(
    [{ title: "" }, { title: "PACKS", align: "right" }, { title: "SIZE", align: "right" }],
    [
      row("needed by backups", "", plan.bytesUsed),
      row("not needed", "", plan.bytesUnused),
      row("stay as they are", formatCount(plan.packsKept), undefined),
      row("are rewritten without what is not needed", formatCount(plan.packsRepacked), plan.bytesRepacked),
      row("are removed", formatCount(plan.packsRemoved), undefined),
    ],
    undefined,
    palette.bold,
  );
  const sum = `frees ${formatBytes(plan.bytesFreed)}; ${formatBytes(plan.bytesUnusedAfter)} stay unused`;
  return [...table, palette.bold(sum)];
}

/** One sentence on the outcome. */
export function pruneSummary({ plan, done, dryRun }: PruneResult, palette: Palette): string {
  if (done) return palette.green(`${formatBytes(plan.bytesFreed)} freed`);
  if (plan.packsRemoved + plan.packsRepacked === 0) return "Nothing to free.";
  return dryRun
    ? `Nothing was changed; ${formatQuantity(plan.packsRemoved + plan.packsRepacked, "pack")} would be.`
    : "Nothing was changed.";
}
