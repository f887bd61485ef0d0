/**
 * The library: what a program that takes its own backups imports.
 *
 * @example
 * ```ts
 * import { createBackupManager } from "vertex-backup";
 *
 * await using manager = createBackupManager({
 *   vault: "./backups",
 *   sources: [{ name: "shop", databases: ["./app.db"], storage: ["./uploads"] }],
 * });
 * const { backup } = await manager.createBackup();
 * console.log(backup.id);
 * ```
 *
 * @module
 */

export type {
  DatabaseConfiguration,
  FolderConfiguration,
  ManagerConfiguration,
  ReferenceConfiguration,
  SourceConfiguration,
} from "./app/configuration.ts";
export { createBackupManager, type ManagerOptions } from "./app/create-backup-manager.ts";
export type { PasswordSource } from "./app/password.ts";
export type {
  Backup,
  BackupCounts,
  BackupDatabase,
  BackupFile,
  BackupOrigin,
  BackupState,
  BackupType,
  DatabaseCheck,
  Problem,
  ProblemKind,
} from "./domain/backup.ts";
export type { Clock } from "./domain/clock.ts";
export { BackupError, type ErrorKind, isBackupError } from "./domain/error.ts";
export type { PackFormat } from "./domain/packed-item.ts";
export type { Observer, Phase, Progress } from "./domain/progress.ts";
export type { KeepReason } from "./domain/retention.ts";
export { defaultRetention, type RetentionCount, type RetentionRules } from "./domain/retention-rules.ts";
export type { BackupManager } from "./operations/backup-manager.ts";
export type {
  BackupEntry,
  BackupEntryKind,
  CompareRequest,
  DifferingField,
  Dump,
  DumpRequest,
  EntryDifference,
  FindEntriesRequest,
  FoundEntry,
  ListEntriesRequest,
} from "./operations/browse/browse-requests.ts";
export type { BackupBrowser } from "./operations/browse/browser.ts";
export type { CopyOutcome, CopyRequest, CopyResult } from "./operations/copy/copy-requests.ts";
export type { RecoveredRestore } from "./operations/restore/recover.ts";
export type { UndoRequest } from "./operations/restore/undo.ts";
export type {
  BackUpAllRequest,
  BackUpRequest,
  BackUpResult,
  KeptRestore,
  ListRequest,
  ReferenceOptions,
  RepositoryFindings,
  RestoreChange,
  RestorePlan,
  RestoreRequest,
  RestoreResult,
  RestoreTargetPlan,
  RotateRequest,
  RotateResult,
  RotationDecision,
  RunOptions,
  SourceOutcome,
  StatsResult,
  TypeStats,
  UndoResult,
  VerifiedBackup,
  VerifyRequest,
  VerifyResult,
} from "./operations/requests.ts";
export type { VaultMaintenance } from "./operations/vault-maintenance.ts";
export type {
  CreatedVault,
  CreateVaultRequest,
  NewPasswordRequest,
  PrunePlan,
  PruneRequest,
  PruneResult,
  ReadData,
  RecoveryFacts,
  RemoveKeyRequest,
  RepairBackupsPlan,
  RepairBackupsReport,
  RepairBackupsRequest,
  RepairIndexReport,
  UnlockRequest,
  UnlockResult,
  VaultFormat,
  VaultKey,
  VaultLock,
} from "./operations/vault-requests.ts";
