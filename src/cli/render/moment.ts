/**
 * Moments as people read them: how long ago, and when exactly.
 *
 * @module
 */

import { isoWithOffset } from "../../domain/clock.ts";
import { formatAge } from "../../domain/units.ts";

/** `2024-01-01 12:00:00`, local time of this machine. */
export function formatLocalTime(epochMs: number): string {
  return isoWithOffset(epochMs).slice(0, 19).replace("T", " ");
}

/** `2024-01-01 12:00:00 (3 hours ago)`. */
export function formatMoment(epochMs: number, nowMs: number): string {
  return `${formatLocalTime(epochMs)} (${formatAge(nowMs - epochMs)})`;
}

/** As {@link formatMoment} for a time in ISO form; text that is no time stays as it is, and `never` stands for none. */
export function formatIsoMoment(iso: string | undefined, nowMs: number): string {
  if (iso === undefined) return "never";
  const epochMs = Date.parse(iso);
  return Number.isNaN(epochMs) ? iso : formatMoment(epochMs, nowMs);
}
