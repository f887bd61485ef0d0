/**
 * Which backups stay. Pure arithmetic over times; `operations/rotate.ts` applies it.
 *
 * @module
 */

import type { Backup } from "./backup.ts";
import { isDatedInFuture } from "./clock.ts";
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

/**
 * Decides for each backup whether it stays, per source and type.
 *
 * Safety backups, files that are not ours or cannot be read, and backups dated in the future
 * are neither counted nor removed. I5: the newest good backup always stays, and an unconfirmed suspect
 * one keeps everything of its source and type.
 *
 * @param nowMs Milliseconds since 1970
 * @param justMade Id of the backup that this rotation comes after. Where the clock was set back it is not the
 *   newest by its time, and still what is there now
 * @throws {BackupError} `invalid-input` for rules that keep nothing
 */
export function planRetention<B extends RetainedBackup>(
  backups: readonly B[],
  rules: RetentionRules,
  nowMs: number,
  justMade?: string,
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
    if (all.length === 0 && backup.id === justMade) all.push("just made");
    return { backup, keep: all.length > 0, reasons: all };
  });
  return { decisions, held };
}

function exemptionOf(backup: RetainedBackup, nowMs: number): KeepReason | undefined {
  if (backup.safety) return "safety backup";
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
