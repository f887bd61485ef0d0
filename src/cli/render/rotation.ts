/**
 * What rotation decided, for people.
 *
 * @module
 */

import { formatAge, formatBytes, formatQuantity } from "../../domain/units.ts";
import type { RotateResult, RotationDecision } from "../../operations/requests.ts";
import { formatLocalTime } from "./moment.ts";
import type { Palette } from "./palette.ts";
import { safeText } from "./safe-text.ts";
import { shownId } from "./shown-id.ts";
import { type Column, renderTable } from "./table.ts";

const columns: readonly Column[] = [
  { title: "ID", shrinkTo: 20 },
  { title: "SOURCE", optional: 2, shrinkTo: 8 },
  { title: "TIME", optional: 1 },
  { title: "AGE" },
  { title: "SIZE", align: "right" },
  { title: "DECISION" },
  { title: "REASONS", shrinkTo: 10 },
];

/** Every backup with whether and why it stays. */
export function decisionTable(
  result: RotateResult,
  nowMs: number,
  width: number | undefined,
  palette: Palette,
): string[] {
  const goes = result.dryRun ? "would go" : "removed";
  const rows = result.decisions.map(({ backup, keep, reasons }) => [
    { text: shownId(backup.id) },
    { text: safeText(backup.source) },
    { text: formatLocalTime(backup.startedAtMs) },
    { text: formatAge(nowMs - backup.startedAtMs), paint: palette.dim },
    { text: formatBytes(backup.storedBytes) },
    keep ? { text: "stays", paint: palette.green } : { text: goes, paint: palette.yellow },
    { text: keep ? safeText(reasons.join(", ")) : whyItGoes(backup) },
  ]);
  return renderTable(columns, rows, width, palette.bold);
}

/** `2 backups removed, 1.2 GB freed; 14 stay`, and why rotation waits where it does. */
export function rotationSummary(result: RotateResult, palette: Palette): string[] {
  const kept = result.decisions.filter((decision) => decision.keep).length;
  const removed = formatQuantity(result.removed.length, "backup");
  const verb = result.dryRun ? "would be removed" : "removed";
  // In a repository nobody knows before a prune.
  const freed = result.awaitsPrune ? "" : `, ${formatBytes(result.freedBytes)} freed`;
  return [
    `${removed} ${verb}${freed}; ${kept} stay`,
    ...result.held.map((sentence) => palette.yellow(safeText(sentence))),
  ];
}

function whyItGoes({ safety }: RotationDecision["backup"]): string {
  return safety ? "old safety backup" : "no rule keeps it";
}
