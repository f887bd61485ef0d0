/**
 * One line of the table: what was measured, what is wanted, what came out.
 *
 * @module
 */

import { rmSync } from "node:fs";
import { join } from "node:path";
import type { Series } from "../measure.ts";

export interface Row {
  readonly what: string;
  readonly target: string;
  readonly ours: string;
  readonly theirs: string;
  readonly result: string;
  readonly met: boolean;
}

export interface BenchContext {
  /** Runs the compiled program: the command line to put arguments behind. */
  readonly program: readonly string[];
  /** A folder on the disk that is measured, with about 12 GB free. */
  readonly scratch: string;
  readonly rounds: number;
}

/** Removes a vault together with the memory of it: else the program takes its disk for unmounted. */
export function removeVault(context: BenchContext, vault: string): void {
  rmSync(vault, { recursive: true, force: true });
  rmSync(join(stateDirectory(context), "vaults"), { recursive: true, force: true });
}

/** Where the measured program keeps its state, instead of with the person running the bench. */
export function stateDirectory(context: Pick<BenchContext, "scratch">): string {
  return join(context.scratch, "state");
}

/** `6.91 s (6.70 to 7.40)`. */
export function seconds(series: Series): string {
  return `${series.median.toFixed(2)} s (${series.min.toFixed(2)} to ${series.max.toFixed(2)})`;
}

/** A row that wants to be at least `wanted` times as fast as the other, by medians. */
export function ratioRow(what: string, wanted: number, ours: Series, theirs: Series): Row {
  const ratio = theirs.median / ours.median;
  return {
    what,
    target: `${wanted}x`,
    ours: seconds(ours),
    theirs: seconds(theirs),
    result: `${ratio.toFixed(2)}x`,
    met: ratio >= wanted,
  };
}

/** A row that wants a figure of ours alone to stay at or below a limit. */
export function limitRow(what: string, limit: number, unit: string, value: Series, digits = 2): Row {
  return {
    what,
    target: `<= ${limit} ${unit}`,
    ours: `${value.median.toFixed(digits)} ${unit} (${value.min.toFixed(digits)} to ${value.max.toFixed(digits)})`,
    theirs: "",
    result: `${value.median.toFixed(digits)} ${unit}`,
    met: value.median <= limit,
  };
}
