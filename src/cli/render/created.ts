/**
 * What `create` says of a backup it made.
 *
 * @module
 */

import type { Backup } from "../../domain/backup.ts";
import { formatBytes, formatCount, formatDuration, formatQuantity } from "../../domain/units.ts";
import type { BackUpResult, RotateResult } from "../../operations/requests.ts";
import { type Fact, problemLines, renderFacts } from "./facts.ts";
import type { Palette } from "./palette.ts";
import { rotationSummary } from "./rotation.ts";
import { safeText } from "./safe-text.ts";
import { shownId } from "./shown-id.ts";
import { formatCheck, formatState } from "./state.ts";

/** @param verbose Problems were printed as they came and are only counted */
export function renderCreated(
  result: BackUpResult,
  vault: string,
  verbose: boolean,
  palette: Palette,
): string[] {
  const { backup, problems, rotation, warnings } = result;
  const facts: Fact[] = [
    ["state", formatState(backup, palette)],
    ["databases", backup.databases.map(databaseLine)],
    ["files", backup.roots.length === 0 ? "" : filesLine(backup)],
    ["stored", `${formatBytes(backup.storedBytes)} in ${safeText(vault)}`],
    ["took", formatDuration(backup.durationMs)],
    // A summary of "0 removed" after every run would teach people to skip it.
    ["rotation", rotation === undefined || isIdle(rotation) ? [] : rotationLines(rotation, palette)],
    ["warnings", warnings.map((warning) => palette.yellow(safeText(warning)))],
    ["problems", problemFact(backup, problems, verbose, palette)],
  ];
  const heading = `${palette.bold(shownId(backup.id))} (${backup.type}) of ${safeText(backup.source)}`;
  return [heading, ...renderFacts(facts, palette.dim)];
}

function rotationLines(rotation: RotateResult, palette: Palette): string[] {
  const waits = rotation.awaitsPrune && rotation.removed.length > 0;
  return [...rotationSummary(rotation, palette), ...(waits ? ["prune frees the space"] : [])];
}

function isIdle(rotation: RotateResult): boolean {
  return rotation.removed.length === 0 && rotation.held.length === 0;
}

function problemFact(
  backup: Backup,
  problems: BackUpResult["problems"],
  verbose: boolean,
  palette: Palette,
): readonly string[] | string {
  const total = Math.max(backup.problemCount, problems.length);
  if (verbose && total > 0) return `${formatCount(total)}, printed above`;
  return problemLines(problems, total, palette.yellow);
}

function databaseLine(database: Backup["databases"][number]): string {
  return `${safeText(database.name)}, ${formatBytes(database.sizeBytes)}, ${formatCheck(database.check)}`;
}

function filesLine({ counts }: Backup): string {
  const unchanged = counts.unchangedFiles > 0 ? `, ${formatCount(counts.unchangedFiles)} unchanged` : "";
  return `${formatQuantity(counts.files, "file")} in ${formatQuantity(counts.directories, "directory", "directories")}${unchanged}`;
}
