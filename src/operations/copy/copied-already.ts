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

/** Finds the copies among the backups of a vault. */
export class CopiedAlready {
  readonly #byKey: ReadonlyMap<string, Backup>;

  constructor(backups: readonly Backup[]) {
    this.#byKey = new Map(backups.map((backup) => [keyOf(backup), backup]));
  }

  /** The same backup in this vault, if it is there. */
  find(backup: Backup): Backup | undefined {
    return this.#byKey.get(keyOf(backup));
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
