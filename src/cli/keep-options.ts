/**
 * The options of `rotate` that say which backups stay, spelled as those of restic's
 * `forget` are.
 *
 * @module
 */

import type { Command } from "commander";
import type { RetentionCount, RetentionRules } from "../domain/retention-rules.ts";
import { collectFilled, positiveInteger } from "./option-values.ts";

/** As commander gives them. */
export interface KeepOptions {
  readonly keepLast?: RetentionCount;
  readonly keepHourly?: RetentionCount;
  readonly keepDaily?: RetentionCount;
  readonly keepWeekly?: RetentionCount;
  readonly keepMonthly?: RetentionCount;
  readonly keepYearly?: RetentionCount;
  readonly keepWithin?: string;
  readonly keepWithinHourly?: string;
  readonly keepWithinDaily?: string;
  readonly keepWithinWeekly?: string;
  readonly keepWithinMonthly?: string;
  readonly keepWithinYearly?: string;
  readonly keepTag?: readonly string[];
}

/** Adds the options to a command. */
export function defineKeepOptions(command: Command): void {
  command
    .option("--keep-last <n>", "keep the newest N (a number, or unlimited)", retentionCount)
    .option("--keep-hourly <n>", "keep the newest of each of the last N hours with backups", retentionCount)
    .option("--keep-daily <n>", "the same for days", retentionCount)
    .option("--keep-weekly <n>", "the same for weeks", retentionCount)
    .option("--keep-monthly <n>", "the same for months", retentionCount)
    .option("--keep-yearly <n>", "the same for years", retentionCount)
    .option("--keep-within <age>", "keep everything younger, e.g. 1y5m7d2h (m is months)")
    .option("--keep-within-hourly <age>", "keep the newest of each hour that is younger")
    .option("--keep-within-daily <age>", "the same for days")
    .option("--keep-within-weekly <age>", "the same for weeks")
    .option("--keep-within-monthly <age>", "the same for months")
    .option("--keep-within-yearly <age>", "the same for years")
    .option("--keep-tag <tags>", "keep what has these tags, e.g. a or a,b (both); repeatable", collectFilled);
}

/** The rules of the command line; undefined where none is given and the configured ones hold. */
export function givenRules(options: KeepOptions): RetentionRules | undefined {
  const wanted = {
    last: options.keepLast,
    hourly: options.keepHourly,
    daily: options.keepDaily,
    weekly: options.keepWeekly,
    monthly: options.keepMonthly,
    yearly: options.keepYearly,
    within: options.keepWithin,
    withinHourly: options.keepWithinHourly,
    withinDaily: options.keepWithinDaily,
    withinWeekly: options.keepWithinWeekly,
    withinMonthly: options.keepWithinMonthly,
    withinYearly: options.keepWithinYearly,
    tags: options.keepTag,
  } satisfies Readonly<Record<keyof RetentionRules, unknown>>;
  const given = Object.entries(wanted).filter(([, value]) => value !== undefined);
  return given.length === 0 ? undefined : Object.fromEntries(given);
}

function retentionCount(value: string): RetentionCount {
  return value === "unlimited" ? value : positiveInteger(value);
}
