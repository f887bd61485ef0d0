/**
 * What a repository vault can do besides being a {@link Vault}: check, prune,
 * repair, its locks and its keys. A vault of plain archives has none of it.
 *
 * @module
 */

import type { Damage, LockOptions } from "./vault.ts";

/** Offered by vaults that are repositories; see `Vault.maintenance`. */
export interface Maintenance {
  /** Hex id of the repository, as `restic cat config` shows it. */
  readonly repositoryId: string;
  readonly keys: KeyRing;

  /** Checks the whole repository at once: what is shared by many backups is read once. Damage is a finding, not an error. */
  check(options: CheckOptions, signal: AbortSignal): Promise<CheckReport>;

  /**
   * Frees what no backup needs. The plan is made under the exclusive lock, shown to `confirm`,
   * and carried out if that answers true. May be killed at any point (I3).
   *
   * @throws {BackupError} `locked`; `damaged` if something needed is missing, before anything is removed
   */
  prune(options: PruneOptions, signal: AbortSignal): Promise<PruneReport>;

  locks(signal: AbortSignal): Promise<readonly VaultLock[]>;

  /** Removes locks whose owners are provably gone or long silent; with `all`, every lock. Returns those removed. */
  unlock(options: { readonly all: boolean }, signal: AbortSignal): Promise<readonly VaultLock[]>;

  /** Makes the index again from the headers of the packs. */
  repairIndex(options: LockOptions, signal: AbortSignal): Promise<RepairIndexReport>;

  /**
   * Rewrites backups without what is lost, and says what that is. They keep their ids. First the index
   * is made right, which loses nothing; then `confirm` is shown what is to be rewritten and removed.
   */
  repairBackups(options: RepairBackupsOptions, signal: AbortSignal): Promise<RepairBackupsReport>;
}

export interface CheckOptions extends LockOptions {
  /** Which packs are read in full: none, all, or a part (`{ part: 2, of: 5 }`, `{ percent: 2.5 }`, `{ bytes: 1e9 }`). */
  readonly readData:
    | "none"
    | "all"
    | { readonly part: number; readonly of: number }
    | { readonly percent: number }
    | { readonly bytes: number };
}

export interface CheckReport {
  readonly ok: boolean;
  /** What is wrong, with the backups it concerns named where that is known. */
  readonly damages: readonly Damage[];
  /** Ids of backups that cannot be restored in full. */
  readonly affected: readonly string[];
  /** Ids of all backups that were looked at. */
  readonly checked: readonly string[];
  /** Harmless things worth knowing: unused packs, packs no index lists. */
  readonly notes: readonly string[];
  readonly packsRead: number;
  readonly packsTotal: number;
  readonly bytesRead: number;
}

export interface PruneOptions extends LockOptions {
  /** Unused space that may stay, in percent of what is used. restic's default is 5. */
  readonly maxUnusedPercent: number;
  /** The same in bytes; takes the place of the percentage. */
  readonly maxUnusedBytes?: number;
  readonly dryRun: boolean;
  /** Asked once with the plan, if there is something to do. */
  readonly confirm: (plan: PrunePlan) => Promise<boolean>;
}

export interface PrunePlan {
  /** Backups there are, whoever made them. Where there are none, everything stored goes. */
  readonly backups: number;
  readonly packsKept: number;
  readonly packsRepacked: number;
  readonly packsRemoved: number;
  readonly bytesUsed: number;
  readonly bytesUnused: number;
  readonly bytesRepacked: number;
  /** Bytes that will be free afterwards. */
  readonly bytesFreed: number;
  readonly bytesUnusedAfter: number;
  /** Pins and other records of backups that are gone, as where restic's forget removed one. */
  readonly recordsRemoved: number;
}

export interface PruneReport {
  readonly plan: PrunePlan;
  /** False after a dry run, a refusal, or where there was nothing to do. */
  readonly done: boolean;
}

export interface VaultLock {
  readonly id: string;
  readonly atMs: number;
  readonly exclusive: boolean;
  readonly host: string;
  readonly username: string;
  readonly pid: number;
}

export interface RepairIndexReport {
  readonly packsRead: number;
  readonly packsAdded: number;
  readonly packsGone: number;
  /** Packs whose header cannot be read; left in place. */
  readonly unreadable: readonly Damage[];
}

export interface RepairBackupsOptions extends LockOptions {
  readonly dryRun: boolean;
  /** Read all packs first, so that blobs whose bytes are damaged count as lost. Default true; false trusts what the index lists. */
  readonly readData?: boolean;
  /** Ids of hopeless backups that may be removed. */
  readonly forgotten?: readonly string[];
  /** Asked once, if something is to be rewritten or removed. */
  readonly confirm: (plan: RepairBackupsPlan) => Promise<boolean>;
}

export interface RepairBackupsPlan {
  /** Ids of backups that were (or would be) rewritten. */
  readonly rewritten: readonly string[];
  /** Ids of backups of which nothing is left; they are removed only if `forgotten` names them. */
  readonly hopeless: readonly string[];
  /** Those of `hopeless` that `forgotten` names. */
  readonly forgotten: readonly string[];
  /** Every file and folder that was lost, by name. */
  readonly lost: readonly Damage[];
  /** Packs that are damaged and go, once what is whole in them is in others. */
  readonly packsRemoved: number;
}

export interface RepairBackupsReport extends RepairBackupsPlan {
  /** False after a dry run, a refusal, or where there was nothing to do. */
  readonly done: boolean;
  readonly dryRun: boolean;
}

export interface VaultKey {
  readonly id: string;
  /** Is this the key the vault was opened with? */
  readonly current: boolean;
  /** ISO time as written. */
  readonly createdAt: string;
  readonly username: string;
  readonly host: string;
}

/** The passwords that open a repository. Each is a file of its own; there is always at least one. */
export interface KeyRing {
  list(signal: AbortSignal): Promise<readonly VaultKey[]>;
  /** Adds a password. Returns the id of its key. */
  add(password: string, who: KeyOwner, signal: AbortSignal): Promise<string>;
  /** @throws {BackupError} `not-found`; `unsafe` for the key in use, or the last one */
  remove(id: string, options: LockOptions, signal: AbortSignal): Promise<void>;
  /** Replaces the current key: the new one is durable before the old one goes. */
  changePassword(password: string, who: KeyOwner, signal: AbortSignal): Promise<string>;
}

/** Recorded in a key for people; `undefined` is this machine's. */
export interface KeyOwner extends LockOptions {
  readonly username: string | undefined;
  readonly host: string | undefined;
}
