/**
 * Which backups stay. Pure arithmetic over times; `operations/rotate.ts` applies it.
 *
 * @module
 */

import type { Backup } from "./backup.ts";
import { parseDuration, subtractDuration } from "./duration.ts";
import { BackupError } from "./error.ts";

/** A backup stays if any rule keeps it. Counts are per source and type. */
export interface RetentionRules {
  readonly last?: number;
  readonly hourly?: number;
  readonly daily?: number;
  readonly weekly?: number;
  readonly monthly?: number;
  readonly yearly?: number;
  /** Everything younger than this, measured from the newest backup, e.g. `1y5m7d2h`; after a longer gap, for as long again, also from the one before it. */
  readonly within?: string;
}

/** Why a backup stays, for people: `last`, `daily`, `pinned`, `newest good`, `suspect holds rotation`. */
export type KeepReason = string;

/** When nothing is set (mission A7): four database backups a day keep more than 42 hours of history. */
export const defaultRetention: RetentionRules = { last: 7, daily: 14, weekly: 8 };

/** What retention looks at in a backup. */
export type RetainedBackup = Pick<
  Backup,
  | "id"
  | "source"
  | "type"
  | "startedAtMs"
  | "state"
  | "stateReason"
  | "suspect"
  | "safety"
  | "pinned"
  | "neverRemoved"
>;

export interface RetentionDecision<B> {
  readonly backup: B;
  readonly keep: boolean;
  /** Every reason it stays; empty when it goes. */
  readonly reasons: readonly KeepReason[];
}

export interface RetentionPlan<B> {
  /** One for each backup, in the order they were given. */
  readonly decisions: readonly RetentionDecision<B>[];
  /** Sources and types of which nothing goes because of a suspect backup, as sentences. */
  readonly held: readonly string[];
}

type CountRule = Exclude<keyof RetentionRules, "within">;
const countRules: readonly CountRule[] = ["last", "hourly", "daily", "weekly", "monthly", "yearly"];

/** A clock that is set right is never off by more; what is dated later was made under a wrong one. */
const futureToleranceMs = 24 * 3_600_000;

/**
 * Refuses rules that keep nothing or make no sense.
 *
 * @throws {BackupError} `invalid-input`
 */
export function checkRetentionRules(rules: RetentionRules): void {
  for (const rule of countRules) {
    const count = rules[rule];
    if (count === undefined || (Number.isSafeInteger(count) && count >= 1)) continue;
    throw new BackupError("invalid-input", `Cannot use retention rule ${rule}: ${count} is not a count`, {
      hint: "Give a whole number of at least 1, or leave the rule out.",
    });
  }
  if (rules.within !== undefined) parseDuration(rules.within);
  if (rules.within === undefined && countRules.every((rule) => rules[rule] === undefined)) {
    throw new BackupError("invalid-input", "Cannot apply retention: no rule keeps anything", {
      hint: "Set at least one of last, hourly, daily, weekly, monthly, yearly and within.",
    });
  }
}

/**
 * Decides for each backup whether it stays, per source and type.
 *
 * Safety backups, files that are not ours or cannot be read, and backups dated in the future
 * are neither counted nor removed. I5: the newest good backup always stays, and an unconfirmed suspect
 * one keeps everything of its source and type.
 *
 * @param nowMs Milliseconds since 1970
 * @throws {BackupError} `invalid-input` for rules that keep nothing
 */
export function planRetention<B extends RetainedBackup>(
  backups: readonly B[],
  rules: RetentionRules,
  nowMs: number,
): RetentionPlan<B> {
  checkRetentionRules(rules);
  const reasons = new Map<B, Set<KeepReason>>(backups.map((backup) => [backup, new Set()]));
  const held: string[] = [];
  const counted: B[] = [];
  for (const backup of backups) {
    const exemption = exemptionOf(backup, nowMs);
    if (exemption === undefined) counted.push(backup);
    else reasons.get(backup)?.add(exemption);
    if (backup.pinned) reasons.get(backup)?.add("pinned");
  }
  const groups = Map.groupBy(counted, (backup) => `${backup.source}\n${backup.type}`);
  for (const group of groups.values()) {
    const keep = (backup: B, reason: KeepReason): unknown => reasons.get(backup)?.add(reason);
    const suspect = group.find((backup) => backup.state === "suspect" || backup.suspect === true);
    if (suspect !== undefined) {
      held.push(heldSentence(suspect));
      for (const backup of group) keep(backup, "suspect holds rotation");
    }
    keepOfGroup(group.toSorted(newestFirst), rules, keep);
  }
  const decisions = backups.map((backup) => {
    const all = [...(reasons.get(backup) ?? [])];
    return { backup, keep: all.length > 0, reasons: all };
  });
  return { decisions, held };
}

function exemptionOf(backup: RetainedBackup, nowMs: number): KeepReason | undefined {
  if (backup.safety) return "safety backup";
  if (backup.state === "unverified") return "not made by this program";
  if (backup.neverRemoved === true) return "cannot be read";
  if (backup.startedAtMs > nowMs + futureToleranceMs) return "dated in the future";
  return undefined;
}

function keepOfGroup<B extends RetainedBackup>(
  newest: readonly B[],
  rules: RetentionRules,
  keep: (backup: B, reason: KeepReason) => void,
): void {
  const good = newest.filter((backup) => backup.state === "good");
  // A bad backup must not push a good one out of its slot, and a source that is always a little
  // incomplete must still be rotated: so the rules pick once among all and once among the good.
  for (const among of [newest, good]) {
    for (const rule of countRules) pickByCount(among, rule, rules[rule] ?? 0, keep);
    pickWithin(among, rules.within, keep);
  }
  const best = good[0] ?? newest.find((backup) => backup.state === "incomplete");
  if (best !== undefined) keep(best, best.state === "good" ? "newest good" : "newest readable");
}

function pickByCount<B extends RetainedBackup>(
  newest: readonly B[],
  rule: CountRule,
  count: number,
  keep: (backup: B, reason: KeepReason) => void,
): void {
  const seen = new Set<string | number>();
  for (const backup of newest) {
    if (seen.size >= count) return;
    const bucket = rule === "last" ? backup.id : bucketOf(backup.startedAtMs, rule);
    if (seen.has(bucket)) continue;
    seen.add(bucket);
    keep(backup, rule);
  }
}

/**
 * Measured from the newest, and also from the newest before a gap longer than `within`, until what was
 * made after the gap reaches as far: a clock that is set far ahead for a while, and then believes
 * itself, must not make all that was there too old (I5).
 */
function pickWithin<B extends RetainedBackup>(
  newest: readonly B[],
  within: string | undefined,
  keep: (backup: B, reason: KeepReason) => void,
): void {
  const first = newest[0];
  if (within === undefined || first === undefined) return;
  const duration = parseDuration(within);
  let oldestMs = subtractDuration(first.startedAtMs, duration);
  let laterMs = first.startedAtMs;
  let gaps = 0;
  for (const backup of newest) {
    const isGap = backup.startedAtMs < subtractDuration(laterMs, duration);
    if (isGap && laterMs > oldestMs && gaps++ === 0)
      oldestMs = subtractDuration(backup.startedAtMs, duration);
    if (backup.startedAtMs < oldestMs) return;
    keep(backup, "within");
    laterMs = backup.startedAtMs;
  }
}

/** Names the stretch of local time that `epochMs` lies in; two instants share it exactly if they share the name. */
function bucketOf(epochMs: number, rule: Exclude<CountRule, "last">): string | number {
  const d = new Date(epochMs);
  const [year, month, day] = [d.getFullYear(), d.getMonth(), d.getDate()];
  switch (rule) {
    case "hourly":
      // The offset tells the two equal hours of a night apart in which clocks go back.
      return `${year}-${month}-${day}-${d.getHours()}-${d.getTimezoneOffset()}`;
    case "daily":
      return `${year}-${month}-${day}`;
    case "weekly":
      // Weeks begin on Monday; day 0 (1 January 1970) was a Thursday.
      return Math.floor((Date.UTC(year, month, day) / 86_400_000 + 3) / 7);
    case "monthly":
      return `${year}-${month}`;
    case "yearly":
      return year;
  }
}

function newestFirst(a: RetainedBackup, b: RetainedBackup): number {
  return b.startedAtMs - a.startedAtMs || (a.id < b.id ? 1 : -1);
}

function heldSentence(suspect: RetainedBackup): string {
  const reason = suspect.stateReason === "" ? "" : ` (${suspect.stateReason})`;
  return `No ${suspect.type} backup of ${suspect.source} is removed until ${suspect.id}, which is suspect${reason}, is confirmed.`;
}
