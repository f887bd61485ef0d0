/**
 * The facade: everything the program can do with backups, as one class. It only
 * delegates; each verb is a file of its own beside it. Made by
 * `createBackupManager` of `app/create-backup-manager.ts`.
 *
 * @module
 */

import type { Backup } from "../domain/backup.ts";
import { BackupError } from "../domain/error.ts";
import type { Observer } from "../domain/progress.ts";
import type { ContextProvider } from "./context.ts";
import type {
  BackUpAllRequest,
  BackUpRequest,
  BackUpResult,
  ListRequest,
  ReferenceOptions,
  RestorePlan,
  RestoreRequest,
  RestoreResult,
  RotateRequest,
  RotateResult,
  RunOptions,
  SourceOutcome,
  StatsResult,
  UndoResult,
  VerifyRequest,
  VerifyResult,
} from "./requests.ts";

/**
 * Makes, lists, checks, rotates and restores the backups of one vault.
 *
 * Methods may be called side by side; runs that must exclude each other wait for
 * each other, also across processes. Every method takes an optional `signal` and
 * `observer`, rejects with a `BackupError` for everything a caller is expected to
 * tell apart, and with the signal's reason when it is cancelled.
 *
 * @example
 * ```ts
 * await using manager = createBackupManager({
 *   vault: "./backups",
 *   sources: [{ name: "shop", databases: ["./app.db"], storage: ["./uploads"] }],
 * });
 * const { backup } = await manager.createBackup();
 * console.log(`${backup.id}: ${backup.state}`);
 * ```
 */
export class BackupManager implements AsyncDisposable {
  readonly #contexts: ContextProvider;
  readonly #observer: Observer | undefined;

  /** @param observer Hears every operation, besides the observer of the single call. */
  constructor(contexts: ContextProvider, observer?: Observer) {
    this.#contexts = contexts;
    this.#observer = observer;
  }

  /**
   * Backs up one source: by default its databases and its folders as one restore point.
   *
   * A backup that is incomplete, suspect or holds a damaged database is a result, not an
   * error: look at `backup.state` and `problems`.
   *
   * @throws {BackupError} `invalid-input` for an unknown source or a type it has nothing of,
   *   `no-space`, `storage-unavailable`, `locked`
   * @example
   * ```ts
   * const { backup, problems } = await manager.createBackup({ source: "shop", tags: ["before-upgrade"] });
   * for (const problem of problems) console.warn(`${problem.path}: ${problem.message}`);
   * ```
   */
  createBackup(request: BackUpRequest = {}): Promise<BackUpResult> {
    return this.#missing("createBackup", request);
  }

  /**
   * Backs up only the databases of a source.
   *
   * @example
   * ```ts
   * const { backup } = await manager.backupDatabase();
   * console.log(backup.databases.map((database) => database.name));
   * ```
   */
  backupDatabase(request: Omit<BackUpRequest, "type"> = {}): Promise<BackUpResult> {
    return this.createBackup({ ...request, type: "database" });
  }

  /**
   * Backs up only the folders of a source.
   *
   * @example
   * ```ts
   * const { backup } = await manager.backupStorage({ level: 9 });
   * console.log(`${backup.counts.files} files, ${backup.counts.unchangedFiles} unchanged`);
   * ```
   */
  backupStorage(request: Omit<BackUpRequest, "type"> = {}): Promise<BackUpResult> {
    return this.createBackup({ ...request, type: "storage" });
  }

  /**
   * Backs up the databases and the folders of a source as one restore point: files are
   * read after the databases, so what a row names is there.
   *
   * @example
   * ```ts
   * const { backup } = await manager.createFullBackup();
   * console.log(backup.files.map((file) => file.name));
   * ```
   */
  createFullBackup(request: Omit<BackUpRequest, "type"> = {}): Promise<BackUpResult> {
    return this.createBackup({ ...request, type: "full" });
  }

  /**
   * Backs up every configured source, two at a time. One that fails does not stop the
   * others: each has its own outcome, in the order of the configuration.
   *
   * @example
   * ```ts
   * for (const outcome of await manager.createAllBackups()) {
   *   console.log(outcome.source, "error" in outcome ? outcome.error.message : outcome.result.backup.id);
   * }
   * ```
   */
  createAllBackups(request: BackUpAllRequest = {}): Promise<readonly SourceOutcome[]> {
    return this.#missing("createAllBackups", request);
  }

  /**
   * The backups of the vault, newest first. The parts of a full backup belong to it and
   * are not listed by themselves.
   *
   * @throws {BackupError} `not-found` if there is no vault
   * @example
   * ```ts
   * const week = await manager.listBackups({ type: "database", sinceMs: Date.now() - 7 * 86_400_000 });
   * console.log(week.length);
   * ```
   */
  listBackups(request: ListRequest = {}): Promise<readonly Backup[]> {
    return this.#missing("listBackups", request);
  }

  /**
   * The backup a reference names: an id or the unique beginning of one, `latest`, or the
   * path of a file in the vault.
   *
   * @throws {BackupError} `not-found`; `invalid-input` if several begin like that
   * @example
   * ```ts
   * const backup = await manager.getBackup("latest", { type: "full" });
   * console.log(backup.startedAt);
   * ```
   */
  getBackup(reference: string, options: ReferenceOptions = {}): Promise<Backup> {
    return this.#missing(reference, options);
  }

  /**
   * Removes the backups that no retention rule keeps, and says of every backup why it
   * stays or goes. Never removes the newest good backup of a source and type, a pinned
   * one, or anything this program did not make.
   *
   * @throws {BackupError} `invalid-input` for rules that keep nothing, `locked`
   * @example
   * ```ts
   * const { decisions } = await manager.rotateBackups({ rules: { last: 7, daily: 14 }, dryRun: true });
   * for (const { backup, keep, reasons } of decisions) console.log(backup.id, keep, reasons.join(", "));
   * ```
   */
  rotateBackups(request: RotateRequest = {}): Promise<RotateResult> {
    return this.#missing("rotateBackups", request);
  }

  /**
   * Says what a restore would add, change and remove, without touching anything.
   *
   * @throws {BackupError} `not-found`, `damaged`, `unsafe`, `invalid-input`
   * @example
   * ```ts
   * const plan = await manager.planRestore({ backup: "latest", target: "./check" });
   * console.log(plan.added, plan.changed, plan.removed);
   * ```
   */
  planRestore(request: RestoreRequest): Promise<RestorePlan> {
    return this.#missing("planRestore", request);
  }

  /**
   * Restores a backup: verified beside the target first, after a safety backup of what is
   * there, then swapped in as a whole. `undoRestore` takes it back.
   *
   * @param plan As `planRestore` returned it, when the caller has shown one; made when left out
   * @throws {BackupError} `not-found`; `damaged` before anything was touched; `unsafe` if a
   *   database is in use; `no-space`; `locked`
   * @example
   * ```ts
   * const result = await manager.restoreBackup({ backup: "latest", target: "./check" });
   * console.log(result.filesWritten, result.safetyBackupId);
   * ```
   */
  restoreBackup(request: RestoreRequest, plan?: RestorePlan): Promise<RestoreResult> {
    return this.#missing(plan === undefined ? "restoreBackup" : "restoreBackup with a plan", request);
  }

  /**
   * Restores only the databases of a backup.
   *
   * @example
   * ```ts
   * await manager.restoreDatabase({ backup: "latest", target: "./check" });
   * ```
   */
  restoreDatabase(request: Omit<RestoreRequest, "only">): Promise<RestoreResult> {
    return this.restoreBackup({ ...request, only: "database" });
  }

  /**
   * Restores only the folders of a backup.
   *
   * @example
   * ```ts
   * await manager.restoreStorage({ backup: "latest", target: "./check", include: ["uploads/2024/"] });
   * ```
   */
  restoreStorage(request: Omit<RestoreRequest, "only">): Promise<RestoreResult> {
    return this.restoreBackup({ ...request, only: "storage" });
  }

  /**
   * Brings back what the last restore replaced.
   *
   * @throws {BackupError} `not-found` if there is nothing to take back
   * @example
   * ```ts
   * const { restored } = await manager.undoRestore();
   * console.log(restored);
   * ```
   */
  undoRestore(options: RunOptions = {}): Promise<UndoResult> {
    return this.#missing("undoRestore", options);
  }

  /**
   * Deletes the previous state that the last restore kept, after which it cannot be undone.
   * Returns the absolute paths that are gone; none if nothing was kept.
   *
   * @example
   * ```ts
   * console.log(await manager.discardPreviousState());
   * ```
   */
  discardPreviousState(options: RunOptions = {}): Promise<readonly string[]> {
    return this.#missing("discardPreviousState", options);
  }

  /**
   * Count and size per type, first and last times, and how many runs failed.
   *
   * @example
   * ```ts
   * const stats = await manager.getBackupStats();
   * console.log(stats.total, stats.lastAt);
   * ```
   */
  getBackupStats(options: RunOptions = {}): Promise<StatsResult> {
    return this.#missing("getBackupStats", options);
  }

  /**
   * Reads backups again and names everything that is wrong. Damage is a finding, not an
   * error; it is remembered beside the backup unless the vault is read-only.
   *
   * @throws {BackupError} `not-found`
   * @example
   * ```ts
   * const { ok, reports } = await manager.verifyBackup({ backup: "latest" });
   * if (!ok) console.error(reports.flatMap((report) => report.damages));
   * ```
   */
  verifyBackup(request: VerifyRequest = {}): Promise<VerifyResult> {
    return this.#missing("verifyBackup", request);
  }

  /**
   * Keeps a backup from being rotated away until it is unpinned. Returns it as it is now.
   *
   * @example
   * ```ts
   * const backup = await manager.pinBackup("latest");
   * console.log(backup.pinned);
   * ```
   */
  pinBackup(reference: string, options: ReferenceOptions = {}): Promise<Backup> {
    return this.#missing(reference, options);
  }

  /**
   * Gives a pinned backup back to rotation. One that is not pinned stays as it is.
   *
   * @example
   * ```ts
   * await manager.unpinBackup("latest");
   * ```
   */
  unpinBackup(reference: string, options: ReferenceOptions = {}): Promise<Backup> {
    return this.#missing(reference, options);
  }

  /**
   * States that a suspect backup is as it should be, so that rotation goes on and later
   * backups are compared with it.
   *
   * @throws {BackupError} `invalid-input` if it is not suspect
   * @example
   * ```ts
   * for (const backup of await manager.listBackups()) {
   *   if (backup.state === "suspect") await manager.confirmBackup(backup.id);
   * }
   * ```
   */
  confirmBackup(reference: string, options: ReferenceOptions = {}): Promise<Backup> {
    return this.#missing(reference, options);
  }

  /** Closes the vault. Operations that still run are not waited for; cancel them first. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#contexts[Symbol.asyncDispose]();
  }

  async #missing(verb: string, options: RunOptions): Promise<never> {
    const signal = options.signal ?? new AbortController().signal;
    await this.#contexts.open("vault", signal);
    this.#observer?.warning(verb);
    throw new BackupError("unsupported", `Cannot run ${verb}: it is not there yet`);
  }
}
