/**
 * The facade: everything the program can do with backups, as one class. It only
 * delegates; each verb is a file of its own beside it. Made by
 * `createBackupManager` of `app/create-backup-manager.ts`.
 *
 * @module
 */

import type { Backup } from "../domain/backup.ts";
import { checkValue } from "../domain/option-rule.ts";
import type { Observer } from "../domain/progress.ts";
import { BackupBrowser } from "./browse/browser.ts";
import { chooseSource, chooseSources, chooseType } from "./choose-source.ts";
import type { ContextProvider } from "./context.ts";
import type { CopyRequest, CopyResult } from "./copy/copy-requests.ts";
import { OperationRunner } from "./operation-runner.ts";
import type * as requests from "./requests.ts";
import type { RecoveredRestore } from "./restore/recover.ts";
import type { UndoRequest } from "./restore/undo.ts";
import { VaultMaintenance } from "./vault-maintenance.ts";
import * as verbs from "./verbs.ts";

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
  /** Makes vaults, and looks after repositories: keys, locks, space, repair. */
  readonly maintenance: VaultMaintenance;
  /** Looks into backups: lists, finds, compares and gives out what is in them. */
  readonly browse: BackupBrowser;
  readonly #contexts: ContextProvider;
  readonly #runner: OperationRunner;

  /** @param observer Hears every operation, besides the observer of the single call. */
  constructor(contexts: ContextProvider, observer?: Observer) {
    this.#contexts = contexts;
    this.#runner = new OperationRunner(contexts, observer);
    this.browse = new BackupBrowser(this.#runner);
    this.maintenance = new VaultMaintenance(this.#runner);
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
  createBackup(request: requests.BackUpRequest = {}): Promise<requests.BackUpResult> {
    return this.#runner.create(request, verbs.backUp, () => {
      const source = chooseSource(this.#contexts.sources, request.source);
      return this.#contexts.prepare?.(source, chooseType(source, request));
    });
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
  backupDatabase(request: Omit<requests.BackUpRequest, "type"> = {}): Promise<requests.BackUpResult> {
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
  backupStorage(request: Omit<requests.BackUpRequest, "type"> = {}): Promise<requests.BackUpResult> {
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
  createFullBackup(request: Omit<requests.BackUpRequest, "type"> = {}): Promise<requests.BackUpResult> {
    return this.createBackup({ ...request, type: "full" });
  }

  /**
   * Backs up every configured source, two at a time. One that fails does not stop the
   * others: each has its own outcome, in the order of the configuration. Sources that have
   * nothing of the type asked for are left out, with a warning.
   *
   * @throws {BackupError} `invalid-input` if no source has anything of the type
   * @example
   * ```ts
   * for (const outcome of await manager.createAllBackups()) {
   *   console.log(outcome.source, "error" in outcome ? outcome.error.message : outcome.result.backup.id);
   * }
   * ```
   */
  createAllBackups(request: requests.BackUpAllRequest = {}): Promise<readonly requests.SourceOutcome[]> {
    const check = (): undefined => void chooseSources(this.#contexts.sources, request.type);
    return this.#runner.create(request, verbs.backUpAll, check);
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
  listBackups(request: requests.ListRequest = {}): Promise<readonly Backup[]> {
    return this.#runner.run("vault", request, verbs.listBackups);
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
  getBackup(reference: string, options: requests.ReferenceOptions = {}): Promise<Backup> {
    return this.#runner.run("vault", options, (context, { source, type, signal }) =>
      verbs.findStoredBackup(context, reference, { source, type, preferTrusted: false, signal }),
    );
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
  rotateBackups(request: requests.RotateRequest = {}): Promise<requests.RotateResult> {
    return this.#runner.run("vault", request, verbs.rotateBackups);
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
  planRestore(request: requests.RestoreRequest): Promise<requests.RestorePlan> {
    return this.#runner.run("state", request, verbs.planRestore);
  }

  /**
   * Restores a backup: verified beside the target first, after a safety backup of what is
   * there, then swapped in as a whole. `undoRestore` takes it back.
   *
   * @param plan As `planRestore` returned it, when the caller has shown one: it says which backup `latest` meant
   * @throws {BackupError} `not-found`; `damaged` before anything was touched; `unsafe` if a
   *   database is in use; `no-space`; `locked`
   * @example
   * ```ts
   * const result = await manager.restoreBackup({ backup: "latest", target: "./check" });
   * console.log(result.filesWritten, result.safetyBackupId);
   * ```
   */
  restoreBackup(
    request: requests.RestoreRequest,
    plan?: requests.RestorePlan,
  ): Promise<requests.RestoreResult> {
    return this.#runner.run("state", request, (context, started) => verbs.restore(context, started, plan));
  }

  /**
   * Restores only the databases of a backup.
   *
   * @example
   * ```ts
   * await manager.restoreDatabase({ backup: "latest", target: "./check" });
   * ```
   */
  restoreDatabase(request: Omit<requests.RestoreRequest, "only">): Promise<requests.RestoreResult> {
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
  restoreStorage(request: Omit<requests.RestoreRequest, "only">): Promise<requests.RestoreResult> {
    return this.restoreBackup({ ...request, only: "storage" });
  }

  /**
   * The restore that `undoRestore` or `discardPreviousState` would be about; undefined if
   * nothing is kept. One state directory serves all apps of a user, so ask before you undo.
   *
   * @throws {BackupError} `not-found` for an id that names no restore
   * @example
   * ```ts
   * const kept = await manager.findKeptRestore();
   * console.log(kept?.restoreId, kept?.targets);
   * ```
   */
  findKeptRestore(options: UndoRequest = {}): Promise<requests.KeptRestore | undefined> {
    return this.#runner.run("state", options, verbs.findKeptRestore);
  }

  /**
   * Brings back what a restore replaced; the last one unless another is named.
   *
   * @throws {BackupError} `not-found` if there is nothing to take back
   * @example
   * ```ts
   * const { restored } = await manager.undoRestore();
   * console.log(restored);
   * ```
   */
  undoRestore(options: UndoRequest = {}): Promise<requests.UndoResult> {
    return this.#runner.run("state", options, verbs.undoRestore);
  }

  /**
   * Deletes the previous state that a restore kept, after which it cannot be undone.
   * Returns the absolute paths that are gone; none if nothing was kept.
   *
   * @example
   * ```ts
   * console.log(await manager.discardPreviousState());
   * ```
   */
  discardPreviousState(options: UndoRequest = {}): Promise<readonly string[]> {
    return this.#runner.run("state", options, verbs.discardPreviousState);
  }

  /**
   * Finishes restores whose process was killed, forward or back, on all their targets. Every
   * other operation does this first, so that a program need only call it to learn the outcome.
   *
   * @example
   * ```ts
   * for (const { restoreId, direction } of await manager.recoverInterruptedRestores()) {
   *   console.warn(`${restoreId} was taken ${direction}`);
   * }
   * ```
   */
  recoverInterruptedRestores(options: requests.RunOptions = {}): Promise<readonly RecoveredRestore[]> {
    return this.#runner.open("state", options, (context, { signal }) =>
      verbs.recoverInterruptedRestores(context, signal),
    );
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
  getBackupStats(options: requests.RunOptions = {}): Promise<requests.StatsResult> {
    return this.#runner.run("vault", options, verbs.getBackupStats);
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
  verifyBackup(request: requests.VerifyRequest = {}): Promise<requests.VerifyResult> {
    return this.#runner.run("scratch", request, verbs.verifyBackup);
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
  pinBackup(reference: string, options: requests.ReferenceOptions = {}): Promise<Backup> {
    return this.#runner.run("vault", options, (context, run) => verbs.pinBackup(context, reference, run));
  }

  /**
   * Gives a pinned backup back to rotation. One that is not pinned stays as it is.
   *
   * @example
   * ```ts
   * await manager.unpinBackup("latest");
   * ```
   */
  unpinBackup(reference: string, options: requests.ReferenceOptions = {}): Promise<Backup> {
    return this.#runner.run("vault", options, (context, run) => verbs.unpinBackup(context, reference, run));
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
  confirmBackup(reference: string, options: requests.ReferenceOptions = {}): Promise<Backup> {
    return this.#runner.run("vault", options, (context, run) => verbs.confirmBackup(context, reference, run));
  }

  /**
   * Copies backups into another vault, of either format, verified as they are read. What is there
   * already is passed over, so that an interrupted copy is simply started again.
   *
   * @throws {BackupError} `invalid-input` if both are the same; `no-space`, `storage-unavailable`, `locked` of the target
   * @example
   * ```ts
   * await using offsite = createBackupManager({ vault: "./offsite" });
   * const { outcomes } = await manager.copyBackups(offsite);
   * console.log(outcomes.map(({ backup, outcome }) => `${backup.id}: ${outcome}`));
   * ```
   */
  async copyBackups(to: BackupManager, request: CopyRequest = {}): Promise<CopyResult> {
    checkValue(to, "the target of a copy", {
      wanted: "a backup manager",
      fits: (value) => value instanceof BackupManager,
    });
    return await this.#runner.run("vault", request, (context, started) =>
      to.#runner.run(request.dryRun === true ? "vault" : "create", started, (target) =>
        verbs.copyBackups(context, target, started),
      ),
    );
  }

  /** Closes the vault. Operations that still run are not waited for; cancel them first. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#contexts[Symbol.asyncDispose]();
  }
}
