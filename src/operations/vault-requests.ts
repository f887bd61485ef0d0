/**
 * What a caller asks of a vault as a whole and what it gets back: making one, its
 * keys, its locks, its space and its repair. Plain data, but for `signal`,
 * `observer` and `confirm`.
 *
 * @module
 */

import type { BackupType } from "../domain/backup.ts";
import type {
  CheckOptions,
  PrunePlan,
  RepairBackupsPlan,
  RepairBackupsReport,
  RepairIndexReport,
  VaultKey,
  VaultLock,
} from "../vault/maintenance.ts";
import type { VaultFormat } from "../vault/vault.ts";
import type { RunOptions } from "./requests.ts";

export type {
  PrunePlan,
  RepairBackupsPlan,
  RepairBackupsReport,
  RepairIndexReport,
  VaultFormat,
  VaultKey,
  VaultLock,
};

export interface CreateVaultRequest extends RunOptions {
  /** As configured when left out, else a repository. */
  readonly format?: VaultFormat;
  /** Called when nothing is in the way, before a password is asked for and anything is made; rejects where nothing is to be. */
  readonly beforeMaking?: () => Promise<void>;
}

export interface CreatedVault {
  readonly vault: string;
  readonly format: VaultFormat;
  /** Of a repository. */
  readonly repositoryId?: string;
  /** Of a repository: the key that the password opens. */
  readonly keyId?: string;
}

export interface NewPasswordRequest extends RunOptions {
  readonly password: string;
  /** Recorded in the key for people; this user and this machine when left out. */
  readonly username?: string;
  readonly host?: string;
}

export interface RemoveKeyRequest extends RunOptions {
  /** Id of the key, or the unique beginning of one. */
  readonly key: string;
}

export interface PruneRequest extends RunOptions {
  /** Unused space that may stay, in percent of what is used; default 5. `Infinity`: only packs without anything needed go. */
  readonly maxUnusedPercent?: number;
  /** The same in bytes; takes the place of the percentage. */
  readonly maxUnusedBytes?: number;
  readonly dryRun?: boolean;
  /** Asked once with the plan, if there is something to do; goes ahead when left out. The vault is locked meanwhile. */
  readonly confirm?: (plan: PrunePlan) => Promise<boolean>;
}

export interface PruneResult {
  readonly plan: PrunePlan;
  /** False after a dry run, a refusal, or where there was nothing to do. */
  readonly done: boolean;
  readonly dryRun: boolean;
}

export interface UnlockRequest extends RunOptions {
  /** Also locks whose owners may be alive. */
  readonly all?: boolean;
}

export interface UnlockResult {
  readonly removed: readonly VaultLock[];
  readonly remaining: readonly VaultLock[];
}

export interface RepairBackupsRequest extends RunOptions {
  readonly dryRun?: boolean;
  /** Read everything first, so that what is damaged inside packs counts as lost. Default true. */
  readonly readData?: boolean;
  /** Ids of backups of which nothing is left, that may be removed. */
  readonly forget?: readonly string[];
  /** Shown what is to be rewritten and removed; nothing is done unless it answers true. Default: does. */
  readonly confirm?: (plan: RepairBackupsPlan) => Promise<boolean>;
}

/** What has to be known to open a repository without this program. */
export interface RecoveryFacts {
  readonly vault: string;
  readonly host: string;
  readonly madeAtMs: number;
  readonly repositoryId: string;
  readonly keys: readonly VaultKey[];
  /** Where the password is kept, for people; never the password. */
  readonly passwordPlace: string;
  /** Apps and types of which there are backups, the first 20. */
  readonly newest: readonly { readonly source: string; readonly type: BackupType }[];
  readonly toolVersion: string;
}

/** Which packs of a repository a verification reads in full. */
export type ReadData = CheckOptions["readData"];
