/**
 * Draws what an operation reports as one line on the terminal's error stream,
 * and remembers it so that SIGUSR1 can ask for it. Where the error stream is no
 * terminal only warnings (and with `-v` problems) are printed.
 *
 * @module
 */

import type { Problem } from "../domain/backup.ts";
import type { Clock } from "../domain/clock.ts";
import type { Observer, Phase, Progress } from "../domain/progress.ts";
import { formatBytes, formatCount, formatDuration, formatQuantity } from "../domain/units.ts";
import type { OutputStream } from "./io.ts";
import type { Palette } from "./render/palette.ts";
import { safeText } from "./render/safe-text.ts";
import { shorten } from "./render/table.ts";

/** More often than this nobody can read, and each drawing costs the operation. */
const redrawIntervalMs = 100;
/** A rate and an ETA from less than this jump about. */
const rateAfterMs = 1000;
/** Assumed where a terminal does not say how wide it is. */
const fallbackWidth = 80;

const phaseNames: Readonly<Record<Phase, string>> = {
  lock: "waiting for another run",
  capture: "capturing databases",
  check: "checking databases",
  scan: "looking for files",
  store: "storing",
  verify: "verifying",
  "safety-backup": "taking a safety backup",
  stage: "preparing",
  swap: "putting in place",
  rotate: "rotating",
  clean: "cleaning up",
  read: "reading",
  compare: "comparing",
  copy: "copying",
  index: "reading the index",
  prune: "pruning",
  repair: "repairing",
};

export interface ProgressLineOptions {
  readonly stream: OutputStream;
  readonly clock: Clock;
  readonly palette: Palette;
  /** Draw a line that is rewritten in place: a terminal, and not `-q`. */
  readonly drawn: boolean;
  readonly quiet: boolean;
  readonly verbose: boolean;
}

/** What is known of a moment of an operation, with when its phase began. */
export interface ProgressMoment extends Progress {
  readonly phaseElapsedMs: number;
}

/** One plain line: phase, percent, amounts, rate, counts, time left, what is worked on. */
export function formatProgress(moment: ProgressMoment): string {
  const parts = [phaseNames[moment.phase]];
  const fraction = progressFraction(moment);
  if (fraction !== undefined) parts.push(`${Math.floor(fraction * 100)}%`);
  if (moment.bytesDone > 0 || moment.bytesTotal !== undefined) {
    const done = formatBytes(moment.bytesDone);
    parts.push(moment.bytesTotal === undefined ? done : `${done} of ${formatBytes(moment.bytesTotal)}`);
  }
  const timed = moment.phaseElapsedMs >= rateAfterMs;
  if (timed && moment.bytesDone > 0) {
    parts.push(`${formatBytes((moment.bytesDone / moment.phaseElapsedMs) * 1000)}/s`);
  }
  if (moment.itemsDone > 0 || moment.itemsTotal !== undefined) {
    parts.push(itemsText(moment.itemsDone, moment.itemsTotal));
  }
  if (timed && fraction !== undefined && fraction > 0 && fraction < 1) {
    const leftMs = (moment.phaseElapsedMs * (1 - fraction)) / fraction;
    // Whole seconds: an estimate in milliseconds would flicker and promise too much.
    parts.push(`ETA ${formatDuration(Math.ceil(leftMs / 1000) * 1000)}`);
  }
  if (moment.current !== undefined) parts.push(safeText(moment.current));
  return parts.join("  ");
}

function itemsText(done: number, total: number | undefined): string {
  return total === undefined
    ? formatQuantity(done, "item")
    : `${formatCount(done)} of ${formatQuantity(total, "item")}`;
}

/** Share done, 0 to 1, by bytes where their total is known, else by items. */
function progressFraction(progress: Progress): number | undefined {
  const [done, total] =
    progress.bytesTotal === undefined
      ? [progress.itemsDone, progress.itemsTotal]
      : [progress.bytesDone, progress.bytesTotal];
  return total === undefined || total === 0 ? undefined : Math.min(1, done / total);
}

/** The observer of the command line. Dispose of it to clear the line. */
export class ProgressLine implements Observer, Disposable {
  readonly #options: ProgressLineOptions;
  /** Warnings printed already, so that a summary does not repeat them. */
  readonly shownWarnings: Set<string> = new Set<string>();
  #last: Progress | undefined;
  #phaseStartedMs = 0;
  #drawnAtMs = Number.NEGATIVE_INFINITY;
  #lineIsDrawn = false;

  constructor(options: ProgressLineOptions) {
    this.#options = options;
  }

  progress(progress: Progress): void {
    const nowMs = this.#options.clock.elapsed();
    if (this.#last?.phase !== progress.phase) this.#phaseStartedMs = nowMs;
    this.#last = progress;
    if (!this.#options.drawn || nowMs - this.#drawnAtMs < redrawIntervalMs) return;
    this.#drawnAtMs = nowMs;
    this.#draw();
  }

  warning(message: string): void {
    if (this.shownWarnings.has(message)) return;
    this.shownWarnings.add(message);
    if (!this.#options.quiet) this.print(this.#options.palette.yellow(`warning: ${safeText(message)}`));
  }

  problem(problem: Problem): void {
    if (!this.#options.verbose) return;
    const text = `${problem.kind}: ${safeText(problem.path)}: ${safeText(problem.message)}`;
    this.print(this.#options.palette.yellow(text));
  }

  /** Prints a line above the progress, which is drawn again below it. */
  print(line: string): void {
    const wasDrawn = this.#lineIsDrawn;
    this.clear();
    this.#options.stream.write(`${line}\n`);
    if (wasDrawn) this.#draw();
  }

  /** Prints where the operation stands, also where no line is drawn. For SIGUSR1. */
  printStatus(): void {
    this.print(this.#last === undefined ? "starting" : formatProgress(this.#moment(this.#last)));
  }

  /** Takes the line off the terminal. */
  clear(): void {
    if (this.#lineIsDrawn) this.#options.stream.write("\r\x1b[K");
    this.#lineIsDrawn = false;
  }

  [Symbol.dispose](): void {
    this.clear();
  }

  #moment(progress: Progress): ProgressMoment {
    return { ...progress, phaseElapsedMs: this.#options.clock.elapsed() - this.#phaseStartedMs };
  }

  #draw(): void {
    if (this.#last === undefined) return;
    // One column is left free: a full line would wrap, and only its last row could be cleared.
    const width = (this.#options.stream.columns ?? fallbackWidth) - 1;
    this.#options.stream.write(`\r\x1b[K${shorten(formatProgress(this.#moment(this.#last)), width)}`);
    this.#lineIsDrawn = true;
  }
}
