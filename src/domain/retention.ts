/**
 * Which backups stay. Pure arithmetic over times; `operations/rotate.ts` applies it.
 *
 * @module
 */

/** A backup stays if any rule keeps it. Counts are per source and type. */
export interface RetentionRules {
  readonly last?: number;
  readonly hourly?: number;
  readonly daily?: number;
  readonly weekly?: number;
  readonly monthly?: number;
  readonly yearly?: number;
  /** Everything younger than this, measured from the newest backup, e.g. `1y5m7d2h`. */
  readonly within?: string;
}

/** Why a backup stays, for people: `last`, `daily`, `pinned`, `newest good`, `suspect holds rotation`. */
export type KeepReason = string;

/** When nothing is set (mission A7): four database backups a day keep more than 42 hours of history. */
export const defaultRetention: RetentionRules = { last: 7, daily: 14, weekly: 8 };
