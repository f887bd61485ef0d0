/**
 * The rules of retention, as people give them: those of restic's `forget`, so that who
 * knows these knows ours.
 *
 * @module
 */

import { parseDuration } from "./duration.ts";
import { BackupError } from "./error.ts";
import { checkOptions, listOf, type OptionRules, text } from "./option-rule.ts";

/** `unlimited`: one of every hour, day and so on that has backups. */
export type RetentionCount = number | "unlimited";

/** A backup stays if any rule keeps it. Counts are per source and type; days and weeks are those of local time. */
export interface RetentionRules {
  readonly last?: RetentionCount;
  /** The newest of each of the last hours that have backups; and the oldest backup, until there are as many. So for days and the others. */
  readonly hourly?: RetentionCount;
  readonly daily?: RetentionCount;
  readonly weekly?: RetentionCount;
  readonly monthly?: RetentionCount;
  readonly yearly?: RetentionCount;
  /**
   * Everything younger than this, measured from the newest backup, e.g. `1y5m7d2h`. After a gap that is
   * longer, and longer than 90 days, for as long again also from the one before it.
   */
  readonly within?: string;
  /** The newest of each hour within this; so for days and the others. */
  readonly withinHourly?: string;
  readonly withinDaily?: string;
  readonly withinWeekly?: string;
  readonly withinMonthly?: string;
  readonly withinYearly?: string;
  /** Every backup that has one of these tags; `a,b` means both. */
  readonly tags?: readonly string[];
}

/** When nothing is set (mission A7): four database backups a day keep more than 42 hours of history. */
export const defaultRetention: RetentionRules = { last: 7, daily: 14, weekly: 8 };

export type CountRule = "last" | "hourly" | "daily" | "weekly" | "monthly" | "yearly";

type WithinRule = Exclude<keyof RetentionRules, CountRule | "tags">;

/** In the order in which reasons are given. */
export const countRules: readonly CountRule[] = ["last", "hourly", "daily", "weekly", "monthly", "yearly"];

/** The rule within a time, and what it keeps one of. */
export const withinRules: readonly (readonly [WithinRule, CountRule])[] = [
  ["within", "last"],
  ["withinHourly", "hourly"],
  ["withinDaily", "daily"],
  ["withinWeekly", "weekly"],
  ["withinMonthly", "monthly"],
  ["withinYearly", "yearly"],
];

/** Counts are looked at with their values. */
const ruleTypes: OptionRules = {
  ...Object.fromEntries(withinRules.map(([rule]) => [rule, text])),
  tags: listOf(text),
};

/**
 * Refuses rules that keep nothing or make no sense.
 *
 * @throws {BackupError} `invalid-input`
 */
export function checkRetentionRules(rules: RetentionRules): void {
  checkOptions(rules, "retention rule", ruleTypes);
  for (const rule of countRules) checkCount(rule, rules[rule]);
  for (const [rule] of withinRules) parseDuration(rules[rule] ?? "1d");
  const given = [...countRules, ...withinRules.map(([rule]) => rule)];
  if (given.every((rule) => rules[rule] === undefined) && (rules.tags ?? []).length === 0) {
    throw new BackupError("invalid-input", "Cannot apply retention: no rule keeps anything", {
      hint: "Set at least one of last, hourly, daily, weekly, monthly, yearly, within and tags.",
    });
  }
  if (rules.tags?.some((tags) => tags.split(",").includes("")) !== true) return;
  throw new BackupError("invalid-input", "Cannot use retention rule tags: a tag is empty", {
    hint: "Give tags as a backup has them, with a comma between those that it must have together.",
  });
}

function checkCount(rule: CountRule, count: RetentionCount | undefined): void {
  if (count === undefined || count === "unlimited") return;
  if (Number.isSafeInteger(count) && count >= 1) return;
  throw new BackupError("invalid-input", `Cannot use retention rule ${rule}: ${count} is not a count`, {
    hint: "Give a whole number of at least 1, or unlimited, or leave the rule out.",
  });
}
