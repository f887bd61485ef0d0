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
  readonly #whole: ReadonlyMap<string, Backup>;
  readonly #damaged: ReadonlyMap<string, Backup>;

  constructor(backups: readonly Backup[]) {
    const keyed = backups.map((backup) => [keyOf(backup), backup] as const);
    this.#whole = new Map(keyed.filter(([, { state }]) => state !== "damaged"));
    this.#damaged = new Map(keyed.filter(([, { state }]) => state === "damaged"));
  }

  /** The same backup in this vault, if it is there. A damaged copy is none, unless a new one would be no better. */
  find(backup: Backup): Backup | undefined {
    const key = keyOf(backup);
    return this.#whole.get(key) ?? (backup.state === "damaged" ? this.#damaged.get(key) : undefined);
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
