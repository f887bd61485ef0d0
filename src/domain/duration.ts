/**
 * Lengths of time as people write them in rules, in restic's notation:
 * `1y5m7d2h` is one year, five months, seven days and two hours.
 *
 * @module
 */

import { BackupError } from "./error.ts";

export interface CalendarDuration {
  readonly years: number;
  readonly months: number;
  readonly days: number;
  readonly hours: number;
}

const units = { y: "years", m: "months", d: "days", h: "hours" } as const;

/** Beyond this a count is a slip of the finger, and dates would leave the range JavaScript knows. */
const countMax = 9999;

/** @throws {BackupError} `invalid-input` for anything but numbers with the units y, m, d and h, each at most once */
export function parseDuration(text: string): CalendarDuration {
  const found = { years: 0, months: 0, days: 0, hours: 0 };
  const seen = new Set<string>();
  for (const [, count = "", unit = ""] of text.matchAll(/(\d+)([ymdh])/g)) {
    if (seen.has(unit) || Number(count) > countMax) throw notADuration(text);
    seen.add(unit);
    found[units[unit as keyof typeof units]] = Number(count);
  }
  const isAll = /^(?:\d+[ymdh])+$/.test(text);
  if (!isAll || found.years + found.months + found.days + found.hours === 0) throw notADuration(text);
  return found;
}

/**
 * The instant that lies `duration` before `epochMs`, counted on the calendar of local
 * time. A day that the earlier month does not have becomes that month's last day.
 */
export function subtractDuration(epochMs: number, duration: CalendarDuration): number {
  const from = new Date(epochMs);
  const day = from.getDate();
  // Go to the first of the month before the month changes: 31 March less one month is not 3 March.
  const result = new Date(epochMs);
  result.setDate(1);
  result.setFullYear(from.getFullYear() - duration.years, from.getMonth() - duration.months);
  const daysInMonth = new Date(result.getFullYear(), result.getMonth() + 1, 0).getDate();
  result.setDate(Math.min(day, daysInMonth) - duration.days);
  return result.getTime() - duration.hours * 3_600_000;
}

function notADuration(text: string): BackupError {
  return new BackupError("invalid-input", `Cannot read duration "${text}": wanted a form like 1y5m7d2h`, {
    hint: "Use whole numbers with y for years, m for months, d for days and h for hours, each at most once.",
  });
}
