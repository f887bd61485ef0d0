/**
 * Which backups of one vault another has already, as copies or because they came
 * from there. Pure.
 *
 * @module
 */

import type { Backup, BackupOrigin } from "../../domain/backup.ts";

/** What a copy of this backup says it was copied from. Also of a copy the first vault, so that copies of copies know each other. */
export function originOf(backup: Backup, location: string): BackupOrigin {
  return backup.copiedFrom ?? { id: backup.id, vault: location };
}

/** So many damaged copies that no rotation removes may be there: the first, and one that was to replace it. */
const lastingDamagedMax = 2;

/** Finds the copies among the backups of a vault. */
export class CopiedAlready {
  readonly #whole: ReadonlyMap<string, Backup>;
  readonly #damaged: ReadonlyMap<string, readonly Backup[]>;

  constructor(backups: readonly Backup[]) {
    const keyed = backups.map((backup) => [keyOf(backup), backup] as const);
    this.#whole = new Map(keyed.filter(([, { state }]) => state !== "damaged"));
    const damaged = backups.filter(({ state }) => state === "damaged");
    this.#damaged = Map.groupBy(damaged, keyOf);
  }

  /**
   * The same backup in this vault, if it is there. A damaged copy is none, unless a new one would be no better:
   * where one has been tried that nothing removes, or else each run might add another, without end.
   */
  find(backup: Backup): Backup | undefined {
    const key = keyOf(backup);
    const damaged = this.#damaged.get(key) ?? [];
    const lasting = damaged.filter(({ neverRemoved }) => neverRemoved === true).length;
    const isFutile = backup.state === "damaged" || lasting >= lastingDamagedMax;
    return this.#whole.get(key) ?? (isFutile ? damaged[0] : undefined);
  }
}

/**
 * An id says only when a backup was made, and two vaults may each have one of that second. Where a
 * vault lies is no help: vaults are moved, and mounted elsewhere.
 */
function keyOf(backup: Backup): string {
  const { type, source, host, startedAtMs } = backup;
  return JSON.stringify([backup.copiedFrom?.id ?? backup.id, type, source, host, startedAtMs]);
}
