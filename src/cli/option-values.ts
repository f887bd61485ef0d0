/**
 * Reads the values of options. What cannot be read is a usage error that names
 * the option, the value and an example.
 *
 * @module
 */

import { InvalidArgumentError, Option } from "commander";
import { fromHome } from "../app/home-directory.ts";
import { backupTypes } from "../domain/backup.ts";
import { BackupError, errorText } from "../domain/error.ts";
import { parseWait } from "../domain/units.ts";
import type { PruneRequest, ReadData } from "../operations/vault-requests.ts";

/** Gathers the values of an option that may be given several times. */
export function collect(value: string, previous: readonly string[] | undefined): readonly string[] {
  return [...(previous ?? []), value];
}

/** Anything that is never empty. */
export function filled(value: string): string {
  if (value !== "") return value;
  throw new InvalidArgumentError("It is empty.");
}

/** {@link filled}, for an option that may be given several times. */
export function collectFilled(value: string, previous: readonly string[] | undefined): readonly string[] {
  return collect(filled(value), previous);
}

/**
 * A path. `--target "$DIR"` with `DIR` unset must not mean the current folder; and of `--vault=~/x`,
 * which shells leave as it is, nobody wants a folder that is called `~`.
 */
export function filledPath(value: string): string {
  return fromHome(filled(value));
}

/** {@link filledPath}, for an option that may be given several times. */
export function collectFilledPaths(
  value: string,
  previous: readonly string[] | undefined,
): readonly string[] {
  return collect(filledPath(value), previous);
}

/** A whole number of at least 1. */
export function positiveInteger(value: string): number {
  const number = Number(value);
  if (/^\d+$/.test(value) && Number.isSafeInteger(number) && number >= 1) return number;
  throw new InvalidArgumentError("Wanted a whole number of at least 1.");
}

/** A gzip level, 1 to 9. */
export function gzipLevel(value: string): number {
  if (/^[1-9]$/.test(value)) return Number(value);
  throw new InvalidArgumentError("Wanted 1 (fast) to 9 (small).");
}

/** A time to wait, in milliseconds. @throws {BackupError} `invalid-input` */
export function waitMs(value: string): number {
  try {
    return parseWait(value);
  } catch (error) {
    throw unreadable(errorText(error), "Write for example 90s, 10m or 1h30m; 0 does not wait at all.", error);
  }
}

const ageUnitsMs: Readonly<Record<string, number>> = { h: 3_600_000, d: 86_400_000, w: 7 * 86_400_000 };

/**
 * Milliseconds since 1970 of `2024-01-31`, `2024-01-31 12:00` (local time), an ISO time, or an
 * age such as `7d`. A day alone means its first moment, or its last with `endOfDay`.
 *
 * @throws {BackupError} `invalid-input` for anything else
 */
export function momentMs(value: string, nowMs: number, endOfDay: boolean): number {
  const age = /^(\d{1,5})([hdw])$/.exec(value);
  if (age !== null) return nowMs - Number(age[1]) * ageUnitsMs[age[2]!]!;
  const isDay = /^\d{4}-\d{2}-\d{2}$/.test(value);
  const time = endOfDay ? "23:59:59.999" : "00:00";
  const isTime = /^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}/.test(value);
  const epochMs = isDay ? Date.parse(`${value}T${time}`) : isTime ? Date.parse(value.replace(" ", "T")) : NaN;
  if (!Number.isNaN(epochMs)) return epochMs;
  throw unreadable(
    `Cannot read time "${value}": wanted a date or an age`,
    "Write for example 2024-01-31, 2024-01-31T12:00 or 7d.",
  );
}

function unreadable(message: string, hint: string, cause?: unknown): BackupError {
  return new BackupError("invalid-input", message, { hint, cause });
}

const byteUnits: Readonly<Record<string, number>> = { "": 1, K: 1e3, M: 1e6, G: 1e9, T: 1e12 };

/** Undefined for what is no size. */
function bytesOf(value: string): number | undefined {
  const size = /^(\d{1,15}(?:\.\d{1,6})?)([KMGT]?)B?$/i.exec(value);
  return size === null ? undefined : Math.round(Number(size[1]) * byteUnits[size[2]!.toUpperCase()]!);
}

/** Undefined for what is no percentage. */
function percentOf(value: string): number | undefined {
  const percent = /^(\d{1,3}(?:\.\d{1,6})?)%$/.exec(value)?.[1];
  return percent === undefined ? undefined : Number(percent);
}

/**
 * How much of a repository may stay unused: `10%`, `500M` (also `K`, `G`, `T`), `0` or `unlimited`. A bare
 * number is refused: to restic it is bytes, and to people who leave out the sign a percentage.
 */
export function maxUnused(value: string): Pick<PruneRequest, "maxUnusedPercent" | "maxUnusedBytes"> {
  if (value === "unlimited") return { maxUnusedPercent: Number.POSITIVE_INFINITY };
  const percent = percentOf(value);
  if (percent !== undefined) return { maxUnusedPercent: percent };
  const bytes = value === "0" || /[A-Z]$/i.test(value) ? bytesOf(value) : undefined;
  if (bytes !== undefined) return { maxUnusedBytes: bytes };
  throw new InvalidArgumentError("Wanted for example 10%, 500M, 0 or unlimited.");
}

/** Which part of a repository's data is read: `1/5`, `2.5%`, or `1G` (also `K`, `M`, `T`). */
export function dataSubset(value: string): Exclude<ReadData, "none" | "all"> {
  const share = /^(\d{1,6})\/(\d{1,6})$/.exec(value);
  if (share !== null) {
    const [part, of] = [Number(share[1]), Number(share[2])];
    if (part >= 1 && part <= of) return { part, of };
  }
  const percent = percentOf(value) ?? 0;
  if (percent > 0 && percent <= 100) return { percent };
  const bytes = bytesOf(value) ?? 0;
  if (bytes >= 1) return { bytes };
  throw new InvalidArgumentError("Wanted for example 1/5, 2.5% or 1G.");
}

/** `--type`, as every command that looks at backups takes it. */
export function typeOption(description: string): Option {
  return new Option("-t, --type <type>", description).choices(backupTypes);
}
