/**
 * What each rule of retention picks among the backups of one source and type. The same as
 * restic's `forget`, but for three things that keep more: the two equal hours of a night in
 * which clocks go back are two, a month before the 31st is the last day of a shorter month,
 * and a long gap is taken for a clock that was wrong.
 *
 * @module
 */

import type { Backup } from "./backup.ts";
import { parseDuration, subtractDuration } from "./duration.ts";
import {
  type CountRule,
  countRules,
  type RetentionCount,
  type RetentionRules,
  withinRules,
} from "./retention-rules.ts";

type PickedBackup = Pick<Backup, "id" | "startedAtMs" | "tags">;

/** Called with what stays and why; of one backup maybe several times. */
type Keep<B> = (backup: B, reason: string) => void;

/** Shorter pauses are ordinary; nobody's clock is that far ahead without being wrong. */
const ordinaryGapMsMax = 90 * 86_400_000;

/** Calls `keep` with everything that any rule keeps. @param newest Newest first */
export function pickAll<B extends PickedBackup>(
  newest: readonly B[],
  rules: RetentionRules,
  keep: Keep<B>,
): void {
  for (const rule of countRules) pickByCount(newest, rule, rules[rule] ?? 0, keep);
  for (const [name, rule] of withinRules) {
    const young = youngerThan(newest, rules[name]);
    const reason = name === "within" ? name : `${rule} within`;
    pickOneOfEach(young, newest.at(-1), rule, (backup, isOldest) =>
      keep(backup, isOldest ? `oldest ${reason}` : reason),
    );
  }
  for (const tags of rules.tags ?? []) {
    const wanted = tags.split(",");
    for (const backup of newest)
      if (wanted.every((tag) => backup.tags.includes(tag))) keep(backup, `tag ${tags}`);
  }
}

function pickByCount<B extends PickedBackup>(
  newest: readonly B[],
  rule: CountRule,
  count: RetentionCount,
  keep: Keep<B>,
): void {
  let left = count === "unlimited" ? Number.POSITIVE_INFINITY : count;
  pickOneOfEach(newest, newest.at(-1), rule, (backup, isOldest) => {
    if (left-- > 0) keep(backup, isOldest ? `oldest ${rule}` : rule);
  });
}

/** The newest of each hour, day and so on; and the oldest of all, which may be the only one of a time long ago. */
function pickOneOfEach<B extends PickedBackup>(
  newest: readonly B[],
  oldest: B | undefined,
  rule: CountRule,
  pick: (backup: B, isOldest: boolean) => void,
): void {
  const seen = new Set<string | number>();
  for (const backup of newest) {
    const bucket = rule === "last" ? backup.id : bucketOf(backup.startedAtMs, rule);
    const isNew = !seen.has(bucket);
    seen.add(bucket);
    if (isNew || backup === oldest) pick(backup, !isNew);
  }
}

/**
 * Measured from the newest, and also from the newest before a gap longer than `within`, until what was
 * made after the gap reaches as far: a clock that is set far ahead for a while, and then believes
 * itself, must not make all that was there too old (I5).
 */
function youngerThan<B extends PickedBackup>(newest: readonly B[], within: string | undefined): readonly B[] {
  const first = newest[0];
  if (within === undefined || first === undefined) return [];
  const duration = parseDuration(within);
  let oldestMs = subtractDuration(first.startedAtMs, duration);
  let laterMs = first.startedAtMs;
  let gaps = 0;
  const young: B[] = [];
  for (const backup of newest) {
    const isGap =
      laterMs - backup.startedAtMs > ordinaryGapMsMax &&
      backup.startedAtMs < subtractDuration(laterMs, duration);
    if (isGap && laterMs > oldestMs && gaps++ === 0)
      oldestMs = subtractDuration(backup.startedAtMs, duration);
    if (backup.startedAtMs <= oldestMs) break;
    young.push(backup);
    laterMs = backup.startedAtMs;
  }
  return young;
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
