/**
 * What a caller asks of the operations and what it gets back. The library, the
 * command line and (later) REST all speak in these types. Plain data, but for
 * `signal` and `observer`.
 *
 * @module
 */

import type { Backup, BackupType, Problem } from "../domain/backup.ts";
import type { Observer } from "../domain/progress.ts";
import type { RetentionDecision } from "../domain/retention.ts";
import type { RetentionRules } from "../domain/retention-rules.ts";
import type { Damage } from "../vault/vault.ts";
import type { PruneResult, ReadData } from "./vault-requests.ts";

/** One app: its databases and its folders of files. */
export interface Source {
  /** Unique in the configuration; letters, digits, `.`, `_`, `-`. */
  readonly name: string;
  readonly databases: readonly DatabaseSource[];
  readonly folders: readonly FolderSource[];
  readonly references: readonly FileReference[];
}

export interface DatabaseSource {
  /** Unique within the source; the file's own name unless set. */
  readonly name: string;
  /** Absolute path. */
  readonly path: string;
}

export interface FolderSource {
  /** Unique within the source; the folder's own name unless set. */
  readonly name: string;
  /** Absolute path. */
  readonly path: string;
  /** gitignore-style patterns, relative to the folder. */
  readonly excludes: readonly string[];
  readonly oneFileSystem: boolean;
  /** Leave out folders that hold a valid CACHEDIR.TAG (but for the tag itself). */
  readonly excludeCaches: boolean;
  /** Patterns under which files are never looked at as databases. `["*"]` switches recognition off. */
  readonly plainFiles: readonly string[];
}

/** A column whose values name files that must be in the backup. */
export interface FileReference {
  /** Name of a declared database. */
  readonly database: string;
  readonly table: string;
  readonly column: string;
  /** Absolute folder that relative values are meant from. */
  readonly base: string;
}

/** Given to every operation. */
export interface RunOptions {
  readonly signal?: AbortSignal;
  readonly observer?: Observer;
}

/** A request whose signal and observer are there, as operations get it from the manager. */
export type Started<R extends RunOptions> = R & Required<RunOptions>;

export interface BackUpRequest extends RunOptions {
  /** Name of the source; may be left out where only one is configured. */
  readonly source?: string;
  readonly type?: BackupType;
  readonly tags?: readonly string[];
  /** `integrity_check` instead of `quick_check` on each captured database. */
  readonly integrityCheck?: boolean;
  /** Zlib's level, 1 to 9. By default our own deflate makes what gzip makes at its default, within 3 %. */
  readonly level?: number;
  /** Apply retention afterwards. Default true. */
  readonly rotate?: boolean;
}

/** As {@link BackUpRequest}, for all configured sources. */
export type BackUpAllRequest = Omit<BackUpRequest, "source">;

/** What became of one source of a run over all of them. */
export type SourceOutcome =
  | { readonly source: string; readonly result: BackUpResult }
  | { readonly source: string; readonly error: Error };

/** Narrows `latest`; every other reference names one backup already. */
export interface ReferenceOptions extends RunOptions {
  readonly source?: string;
  readonly type?: BackupType;
}

export interface BackUpResult {
  readonly backup: Backup;
  readonly problems: readonly Problem[];
  /** What rotation did afterwards; undefined when it was switched off. */
  readonly rotation?: RotateResult;
  readonly warnings: readonly string[];
}

export interface ListRequest extends RunOptions {
  readonly source?: string;
  readonly type?: BackupType;
  readonly tag?: string;
  /** Milliseconds since 1970, inclusive. */
  readonly sinceMs?: number;
  /** Milliseconds since 1970, inclusive. */
  readonly untilMs?: number;
}

export interface RotateRequest extends RunOptions {
  readonly source?: string;
  readonly type?: BackupType;
  /** Instead of the configured rules. */
  readonly rules?: RetentionRules;
  /**
   * Also remove safety backups older than this, e.g. `1y5m7d2h`, but for pinned ones and those that an undo
   * on this machine may still need. Without it none is ever removed.
   */
  readonly safetyOlderThan?: string;
  readonly dryRun?: boolean;
  /** Also free the space, which only repositories need. Not together with a dry run. */
  readonly prune?: boolean;
}

export type RotationDecision = RetentionDecision<Backup>;

export interface RotateResult {
  readonly decisions: readonly RotationDecision[];
  readonly removed: readonly string[];
  /** 0 on a repository, where `prune` frees the space. */
  readonly freedBytes: number;
  /** Is the space only freed by a prune? So in repositories. */
  readonly awaitsPrune: boolean;
  /** With `prune`: what was freed. */
  readonly pruned?: PruneResult;
  readonly dryRun: boolean;
  /** Sources and types for which rotation holds because of a suspect backup, as sentences. */
  readonly held: readonly string[];
}

export interface VerifyRequest extends RunOptions {
  /** An id, `latest`, or a path; all backups of the vault when left out. */
  readonly backup?: string;
  readonly source?: string;
  /**
   * How thorough. Default: `content`; `stored` for all backups of a repository, whose structure is
   * checked as a whole.
   */
  readonly depth?: "stored" | "content";
  /** Only repositories, and only with all backups: which of the stored data is read, instead of `depth`. */
  readonly readData?: ReadData;
}

export interface VerifyResult {
  readonly ok: boolean;
  readonly reports: readonly VerifiedBackup[];
  /** What was found of a repository as a whole, where that was checked: its backups share what is stored. */
  readonly repository?: RepositoryFindings;
  /** What is wrong beside the backups of an archive vault, where all of it was verified. */
  readonly beside?: readonly Damage[];
}

export interface RepositoryFindings {
  readonly damages: readonly Damage[];
  /** Harmless things worth knowing. */
  readonly notes: readonly string[];
  readonly packsRead: number;
  readonly packsTotal: number;
  readonly bytesRead: number;
}

export interface VerifiedBackup {
  readonly id: string;
  readonly ok: boolean;
  readonly unverified: boolean;
  readonly damages: readonly Damage[];
  readonly bytesRead: number;
  readonly entriesChecked: number;
  readonly databasesChecked: number;
}

export interface RestoreRequest extends RunOptions {
  /** An id, `latest` (of the source), or the path of a backup file. */
  readonly backup: string;
  readonly source?: string;
  /** Restore into this folder, as `DIR/<name>`; to where it was when left out. */
  readonly target?: string;
  readonly only?: "database" | "storage";
  /** gitignore-style patterns over `<folder name>/<path>` and `<database name>`; everything when empty. */
  readonly include?: readonly string[];
  /** Write databases through SQLite in one transaction, so that a running app goes on. */
  readonly live?: boolean;
  /** Replace a database although a process has it open. */
  readonly force?: boolean;
  /**
   * False to try it although the sizes of the files come to more than is free: files with holes take less.
   * If the disk fills up after all, everything stays as it was.
   */
  readonly spaceCheck?: boolean;
  /**
   * Restore what is whole of a damaged backup, into a `target`. Everything wanted is read once before, and what
   * that finds damaged is named in the result.
   */
  readonly skipDamaged?: boolean;
}

/** What a restore would do, made before anything is touched. */
export interface RestorePlan {
  readonly backup: Backup;
  readonly targets: readonly RestoreTargetPlan[];
  readonly added: number;
  readonly changed: number;
  readonly unchanged: number;
  readonly removed: number;
  /** Of the changed and removed: files newer than the backup. */
  readonly newer: number;
  readonly bytesToWrite: number;
  /** Will what is there be backed up first? Not where no vault can be written to; it is kept beside its target all the same. */
  readonly safetyBackup: boolean;
  /** Up to 1,000 paths with what happens to them, for `--dry-run`. */
  readonly changes: readonly RestoreChange[];
  readonly warnings: readonly string[];
}

export interface RestoreTargetPlan {
  readonly kind: "database" | "folder";
  readonly name: string;
  /** Absolute path that will be replaced or made. */
  readonly path: string;
  readonly exists: boolean;
}

export interface RestoreChange {
  readonly path: string;
  readonly change: "add" | "change" | "remove";
  readonly newer: boolean;
}

export interface RestoreResult {
  readonly backup: Backup;
  /** Names the journal entry that `restore --undo` takes back. */
  readonly restoreId: string;
  readonly targets: readonly RestoreTargetPlan[];
  readonly filesWritten: number;
  readonly bytesWritten: number;
  /** Id of the safety backup, if there was anything to save and the vault could take it. */
  readonly safetyBackupId?: string;
  /** Where the previous state is kept until undone or discarded; absolute paths. */
  readonly previousState: readonly string[];
  readonly warnings: readonly string[];
  /** What was left out because it is damaged, the first 1,000; only with `skipDamaged`. */
  readonly damaged: readonly Damage[];
  readonly damagedCount: number;
}

/** A restore that can be taken back, because what it replaced is kept. */
export interface KeptRestore {
  readonly restoreId: string;
  readonly startedAtMs: number;
  readonly backupId: string;
  /** It is itself the undo of a restore: taking it back brings the restored state again. */
  readonly isUndo: boolean;
  /** Absolute paths. */
  readonly targets: readonly string[];
}

export interface UndoResult {
  readonly restoreId: string;
  /** Absolute paths that are back as they were. */
  readonly restored: readonly string[];
}

export interface TypeStats {
  readonly type: BackupType;
  readonly count: number;
  readonly storedBytes: number;
  readonly lastAt?: string;
  readonly oldestAt?: string;
}

export interface StatsResult {
  readonly vault: string;
  readonly total: number;
  readonly storedBytes: number;
  readonly byType: readonly TypeStats[];
  readonly lastAt?: string;
  readonly oldestAt?: string;
  /** Runs that made a backup that is still there, and recorded runs that failed. */
  readonly succeeded: number;
  readonly failed: number;
  readonly safetyCount: number;
  readonly freeBytes?: number;
}
