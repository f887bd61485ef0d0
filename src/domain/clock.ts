/**
 * Time as a parameter, so that tests can set it. Nothing else calls `Date.now`.
 *
 * @module
 */

export interface Clock {
  /** Wall clock, milliseconds since 1970: for times people read. */
  now(): number;
  /** Milliseconds from an arbitrary start that never jump: for durations. */
  elapsed(): number;
}

export const systemClock: Clock = { now: () => Date.now(), elapsed: () => performance.now() };

/** A clock that is set right is never off by more. */
const futureToleranceMs = 24 * 3_600_000;

/** Tells whether what has this time was made under a clock that was wrong, or the clock is wrong now. */
export function isDatedInFuture(epochMs: number, nowMs: number): boolean {
  return epochMs > nowMs + futureToleranceMs;
}

/** `2024-01-01T12:00:00.000+03:00`: local time of this machine with its offset. */
export function isoWithOffset(epochMs: number): string {
  const offsetMinutes = -new Date(epochMs).getTimezoneOffset();
  const local = new Date(epochMs + offsetMinutes * 60_000).toISOString().slice(0, -1);
  const sign = offsetMinutes < 0 ? "-" : "+";
  const absolute = Math.abs(offsetMinutes);
  return `${local}${sign}${twoDigits(Math.floor(absolute / 60))}:${twoDigits(absolute % 60)}`;
}

/** `20240101_120000`: local time of this machine, as file names carry it. */
export function localStamp(epochMs: number): string {
  const d = new Date(epochMs);
  const date = `${d.getFullYear()}${twoDigits(d.getMonth() + 1)}${twoDigits(d.getDate())}`;
  return `${date}_${twoDigits(d.getHours())}${twoDigits(d.getMinutes())}${twoDigits(d.getSeconds())}`;
}

function twoDigits(value: number): string {
  return String(value).padStart(2, "0");
}
