/**
 * Restore plans and results for people. The confirmation shows the same lines as
 * `--dry-run`, so that what is agreed to is what was looked at.
 *
 * @module
 */

import type { BackupType } from "../../domain/backup.ts";
import { formatBytes, formatCount, formatQuantity } from "../../domain/units.ts";
import type { KeptRestore, RestoreChange, RestorePlan, RestoreResult } from "../../operations/requests.ts";
import type { GlobalOptions } from "../command.ts";
import { formatMoment } from "./moment.ts";
import type { Paint, Palette } from "./palette.ts";
import { safeText } from "./safe-text.ts";
import { samePlace } from "./same-place.ts";
import { formatState } from "./state.ts";
import { renderTable } from "./table.ts";

/** Where the safety backup goes. */
export interface SafetyPlace {
  readonly vault: string;
}

/** What a restore would do: the backup, its targets, the figures, the safety backup, the warnings. */
export function planLines(plan: RestorePlan, safety: SafetyPlace, nowMs: number, palette: Palette): string[] {
  const { backup } = plan;
  const targets = renderTable(
    [{ title: "" }, { title: "" }, { title: "" }, { title: "" }],
    plan.targets.map(({ kind, name, path, exists }) => [
      { text: exists ? "  replaces" : "  makes", ...(exists ? { paint: palette.yellow } : {}) },
      { text: kind },
      { text: safeText(name) },
      { text: safeText(path) },
    ]),
    undefined,
    palette.bold,
  ).slice(1);
  return [
    `Restore ${palette.bold(safeText(backup.id))} (${backup.type}) of ${safeText(backup.source)}`,
    `  from ${formatMoment(backup.startedAtMs, nowMs)}, ${formatState(backup, palette)}`,
    ...targets,
    ...figureLines(plan, palette).map((line) => `  ${line}`),
    `  ${safetyLine(plan, safety)}`,
    ...plan.warnings.map((warning) => palette.yellow(`  warning: ${safeText(warning)}`)),
  ];
}

function figureLines(plan: RestorePlan, palette: Palette): string[] {
  const figures = [
    `${formatQuantity(plan.added, "file")} added`,
    `${formatCount(plan.changed)} changed`,
    `${formatCount(plan.removed)} removed`,
    `${formatCount(plan.unchanged)} unchanged`,
  ].join(", ");
  const newer = `${formatQuantity(plan.newer, "file")} of the changed and removed: newer than the backup`;
  return [
    `${figures}; ${formatBytes(plan.bytesToWrite)} to write`,
    ...(plan.newer > 0 ? [palette.yellow(newer)] : []),
  ];
}

function safetyLine(plan: RestorePlan, safety: SafetyPlace): string {
  const replaced = plan.targets.filter((target) => target.exists);
  if (replaced.length === 0) return "nothing is there yet, so no safety backup is needed";
  if (!plan.safetyBackup) return "no safety backup is taken; what is replaced is kept beside it";
  const names = replaced.map((target) => safeText(target.name)).join(", ");
  return `first a safety backup (${safetyType(replaced)}) of ${names} is taken into ${safeText(safety.vault)}`;
}

function safetyType(replaced: RestorePlan["targets"]): BackupType {
  if (replaced.every((target) => target.kind === "database")) return "database";
  return replaced.every((target) => target.kind === "folder") ? "storage" : "full";
}

/** What happens to each path, as far as the plan lists them. */
export function changeLines(plan: RestorePlan, palette: Palette): string[] {
  const paints: Readonly<Record<RestoreChange["change"], Paint>> = {
    add: palette.green,
    change: palette.yellow,
    remove: palette.red,
  };
  const lines = plan.changes.map(({ path, change, newer }) => {
    const note = newer ? "  (newer than the backup)" : "";
    return `  ${paints[change](change.padEnd(6))}  ${safeText(path)}${note}`;
  });
  const more = plan.added + plan.changed + plan.removed - lines.length;
  return more > 0 ? [...lines, `  and ${formatCount(more)} more`] : lines;
}

/** What a restore that was given `options` did, and how to take it back. */
export function restoredLines(result: RestoreResult, options: GlobalOptions, palette: Palette): string[] {
  const written = `${formatQuantity(result.filesWritten, "file")}, ${formatBytes(result.bytesWritten)}`;
  const { backup, safetyBackupId, previousState } = result;
  const verdict =
    backup.state === "unverified" ? "written; nothing to verify them against" : "written and verified";
  return [
    palette.green(`Restored ${safeText(backup.id)}: ${written} ${verdict}`),
    ...result.targets.map(({ path }) => `  ${safeText(path)}`),
    ...(safetyBackupId === undefined ? [] : [`Safety backup: ${safeText(safetyBackupId)}`]),
    ...(previousState.length === 0
      ? []
      : [
          "What was there before is kept:",
          ...previousState.map((path) => `  ${safeText(path)}`),
          `Bring it back with: ${samePlace("restore --undo", options)}`,
          `Delete it with: ${samePlace("restore --discard", options)}`,
        ]),
    ...result.warnings.map((warning) => palette.yellow(`warning: ${safeText(warning)}`)),
    ...damagedLines(result, palette),
  ];
}

function damagedLines({ damaged, damagedCount }: RestoreResult, palette: Palette): string[] {
  if (damagedCount === 0) return [];
  const more = damagedCount - damaged.length;
  return [
    palette.red(`Damaged and left out: ${formatCount(damagedCount)}`),
    ...damaged.map(({ path = "", message }) => `  ${safeText(path)}: ${safeText(message)}`),
    ...(more > 0 ? [`  and ${formatCount(more)} more`] : []),
  ];
}

/** What an undo or a discard is about. */
export function keptLines(kept: KeptRestore | undefined, verb: string, nowMs: number): string[] {
  if (kept === undefined) return ["Nothing is kept of an earlier restore."];
  const { startedAtMs, backupId, isUndo, targets } = kept;
  const what = isUndo ? "the undo of a restore" : "the restore";
  return [
    `This ${verb} what ${what} of ${safeText(backupId)} at ${formatMoment(startedAtMs, nowMs)} replaced:`,
    ...targets.map((path) => `  ${safeText(path)}`),
  ];
}
