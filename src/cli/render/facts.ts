/**
 * Lists of named facts, their values aligned.
 *
 * @module
 */

import type { Problem } from "../../domain/backup.ts";
import { formatQuantity } from "../../domain/units.ts";
import type { Paint } from "./palette.ts";
import { safeText } from "./safe-text.ts";

/** A name and what is to be said about it; several lines are aligned below each other. */
export type Fact = readonly [name: string, value: string | readonly string[]];

/** `name  value` lines, indented by two. Facts without a value are left out. */
export function renderFacts(facts: readonly Fact[], paintName: Paint): string[] {
  const shown = facts.filter(([, value]) => value.length > 0);
  const width = Math.max(0, ...shown.map(([name]) => name.length));
  return shown.flatMap(([name, value]) => {
    const [first, ...rest] = typeof value === "string" ? [value] : value;
    const indent = " ".repeat(width + 4);
    return [`  ${paintName(name.padEnd(width))}  ${first}`, ...rest.map((line) => indent + line)];
  });
}

/** Printed of a list that may be long; the rest is counted. */
const shownProblemsMax = 20;

/** The first problems one a line, then how many more there are and where to see them. */
export function problemLines(problems: readonly Problem[], total: number, paint: Paint): string[] {
  const lines = problems
    .slice(0, shownProblemsMax)
    .map(({ kind, path, message }) => paint(`${kind}: ${safeText(path)}: ${safeText(message)}`));
  const more = total - lines.length;
  return more > 0 ? [...lines, `and ${formatQuantity(more, "more problem")}`] : lines;
}
