/**
 * What a caller asks of a copy between two vaults, and what it gets back.
 *
 * @module
 */

import type { Backup, BackupType } from "../../domain/backup.ts";
import type { RunOptions } from "../requests.ts";

export interface CopyRequest extends RunOptions {
  /** An id, the beginning of one, or `latest`; all backups of the vault when left out. */
  readonly backups?: readonly string[];
  readonly source?: string;
  readonly type?: BackupType;
  /** Say what would be copied, and copy nothing. The target has to be there. */
  readonly dryRun?: boolean;
  /** Gzip level 1 to 9 of an archive vault that is copied to. */
  readonly level?: number;
}

/**
 * What became of one backup.
 * - `copied`: it is there now, as `copy`; with `dryRun` it would be
 * - `there`: it was there already, as `copy`
 * - `left-out`: it cannot be copied, for `reason`; only where it was not named
 * - `failed`: it could not be read, for `error`; nothing of it is in the target
 */
export type CopyOutcome =
  | { readonly outcome: "copied"; readonly backup: Backup; readonly copy?: Backup }
  | { readonly outcome: "there"; readonly backup: Backup; readonly copy: Backup }
  | { readonly outcome: "left-out"; readonly backup: Backup; readonly reason: string }
  | { readonly outcome: "failed"; readonly backup: Backup; readonly error: Error };

export interface CopyResult {
  /** In the order they were copied in, oldest first. */
  readonly outcomes: readonly CopyOutcome[];
  /** Bytes of databases and files that were copied; with `dryRun` that would be. */
  readonly bytesCopied: number;
  readonly dryRun: boolean;
}
