/**
 * Which backups stay. Pure arithmetic over times; `operations/rotate.ts` applies it.
 *
 * @module
 */

import type { Backup } from "./backup.ts";
import { isDatedInFuture } from "./clock.ts";
import { parseDuration, subtractDuration } from "./duration.ts";
import { pickAll } from "./retention-picks.ts";
import { checkRetentionRules, type RetentionRules } from "./retention-rules.ts";

/** Why a backup stays, for people: `last`, `daily`, `oldest daily`, `pinned`, `newest good`, `just made`, `suspect holds rotation`. */
export type KeepReason = string;

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
  | "tags"
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

/** Which safety backups go, where somebody has asked for that. */
export interface SafetyRule {
  /** Those older than this, e.g. `1m`, measured from now. */
  readonly olderThan: string;
  /** Ids of those that an undo may still need. */
  readonly needed: ReadonlySet<string>;
}

/**
 * Decides for each backup whether it stays, per source and type.
 *
 * Safety backups, files that are not ours or cannot be read, and backups dated in the future
 * are neither counted nor removed; safety backups may go by a rule of their own (I4). I5: the newest good backup always stays, and an unconfirmed suspect
 * one keeps everything of its source and type.
 *
 * @param nowMs Milliseconds since 1970
 * @param justMade Id of the backup that this rotation comes after. Where the clock was set back it is not the
 *   newest by its time, and still what is there now
 * @param safetyRule Without it every safety backup stays
 * @throws {BackupError} `invalid-input` for rules that keep nothing
 */
export function planRetention<B extends RetainedBackup>(
  backups: readonly B[],
  rules: RetentionRules,
  nowMs: number,
  justMade?: string,
  safetyRule?: SafetyRule,
): RetentionPlan<B> {
  checkRetentionRules(rules);
  const whySafetyStays = safetyReasons(backups, nowMs, safetyRule);
  const reasons = new Map<B, Set<KeepReason>>(backups.map((backup) => [backup, new Set()]));
  const held: string[] = [];
  const counted: B[] = [];
  for (const backup of backups) {
    const exemption = backup.safety ? whySafetyStays(backup) : exemptionOf(backup, nowMs);
    if (exemption !== undefined) reasons.get(backup)?.add(exemption);
    else if (!backup.safety) counted.push(backup);
    if (backup.pinned) reasons.get(backup)?.add("pinned");
  }
  const groups = Map.groupBy(counted, groupOf);
  for (const group of groups.values()) {
    const keep = (backup: B, reason: KeepReason): unknown => reasons.get(backup)?.add(reason);
    const suspect = group.find(isSuspect);
    if (suspect !== undefined) {
      held.push(heldSentence(suspect));
      for (const backup of group) keep(backup, "suspect holds rotation");
    }
    keepOfGroup(group.toSorted(newestFirst), rules, keep);
  }
  const decisions = backups.map((backup) => {
    const all = [...(reasons.get(backup) ?? [])];
    if (all.length === 0 && backup.id === justMade) all.push("just made");
    return { backup, keep: all.length > 0, reasons: all };
  });
  return { decisions, held };
}

/**
 * Why a safety backup stays. I5 holds for them as well: what a suspect backup holds stays, and so does the
 * newest good one where the source has no other good backup that holds what this type does.
 */
function safetyReasons(
  backups: readonly RetainedBackup[],
  nowMs: number,
  rule: SafetyRule | undefined,
): (backup: RetainedBackup) => KeepReason | undefined {
  if (rule === undefined) return () => "safety backup";
  const sinceMs = subtractDuration(nowMs, parseDuration(rule.olderThan));
  const onlyGood = onlyGoodOfSources(backups);
  const held = new Set(backups.filter(isSuspect).map(groupOf));
  return (backup) => {
    const exemption = exemptionOf(backup, nowMs);
    if (exemption !== undefined) return exemption;
    if (backup.startedAtMs >= sinceMs) return "safety backup";
    if (rule.needed.has(backup.id)) return "undo may need it";
    if (held.has(groupOf(backup))) return "suspect holds rotation";
    return onlyGood.has(backup) ? "newest good" : undefined;
  };
}

function onlyGoodOfSources(backups: readonly RetainedBackup[]): ReadonlySet<RetainedBackup> {
  const good = backups.filter((backup) => backup.state === "good" && backup.neverRemoved !== true);
  const only = new Set<RetainedBackup>();
  for (const group of Map.groupBy(good, groupOf).values()) {
    const [{ source, type }] = group as [RetainedBackup];
    // A full backup has a database and folders, too.
    const holding = good.filter((other) => other.source === source && [type, "full"].includes(other.type));
    const [newest] = holding.toSorted(newestFirst);
    if (newest !== undefined && holding.every(({ safety }) => safety)) only.add(newest);
  }
  return only;
}

function groupOf({ source, type }: RetainedBackup): string {
  return `${source}\n${type}`;
}

function isSuspect(backup: RetainedBackup): boolean {
  return !backup.safety && (backup.state === "suspect" || backup.suspect === true);
}

function exemptionOf(backup: RetainedBackup, nowMs: number): KeepReason | undefined {
  if (backup.neverRemoved === true && backup.state === "damaged") return "cannot be read";
  if (backup.neverRemoved === true || backup.state === "unverified") return "not made by this program";
  if (isDatedInFuture(backup.startedAtMs, nowMs)) return "dated in the future";
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
  for (const among of [newest, good]) pickAll(among, rules, keep);
  const best = good[0] ?? newest.find((backup) => backup.state === "incomplete");
  if (best !== undefined) keep(best, best.state === "good" ? "newest good" : "newest readable");
}

function newestFirst(a: RetainedBackup, b: RetainedBackup): number {
  return b.startedAtMs - a.startedAtMs || (a.id < b.id ? 1 : -1);
}

function heldSentence(suspect: RetainedBackup): string {
  const reason = suspect.stateReason === "" ? "" : ` (${suspect.stateReason})`;
  return `No ${suspect.type} backup of ${suspect.source} is removed until ${suspect.id}, which is suspect${reason}, is confirmed.`;
}
