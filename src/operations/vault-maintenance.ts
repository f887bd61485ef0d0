/**
 * The part of the facade that is about a vault as a whole: making one, and a
 * repository's keys, locks, space and repair. It only delegates.
 *
 * @module
 */

import type { VaultKey } from "../vault/maintenance.ts";
import type { OperationRunner } from "./operation-runner.ts";
import type { RunOptions } from "./requests.ts";
import type {
  CreatedVault,
  CreateVaultRequest,
  NewPasswordRequest,
  PruneRequest,
  PruneResult,
  RecoveryFacts,
  RemoveKeyRequest,
  RepairBackupsReport,
  RepairBackupsRequest,
  RepairIndexReport,
  UnlockRequest,
  UnlockResult,
} from "./vault-requests.ts";
import * as verbs from "./vault-verbs.ts";

/**
 * Makes vaults and looks after repositories; `BackupManager.maintenance` is one. On an
 * archive vault every method but `createVault` rejects as `unsupported`, and the hint says
 * what serves instead.
 *
 * @example
 * ```ts
 * const { maintenance } = manager;
 * await maintenance.createVault({ format: "repository" });
 * ```
 */
export class VaultMaintenance {
  readonly #runner: OperationRunner;

  constructor(runner: OperationRunner) {
    this.#runner = runner;
  }

  /**
   * Makes the vault of the configuration. The first backup does that too; this says of which
   * format.
   *
   * @throws {BackupError} `exists` if there is a vault; `invalid-input` if something else is
   *   there, or a repository is wanted and no password is configured
   */
  createVault(request: CreateVaultRequest = {}): Promise<CreatedVault> {
    return this.#runner.make(request, verbs.describeNewVault);
  }

  /**
   * The keys of a repository, oldest first.
   *
   * @example
   * ```ts
   * for (const key of await maintenance.listKeys()) console.log(key.id, key.host, key.current);
   * ```
   */
  listKeys(options: RunOptions = {}): Promise<readonly VaultKey[]> {
    return this.#runner.run("vault", options, verbs.listKeys);
  }

  /**
   * Adds a password, beside those there are.
   *
   * @example
   * ```ts
   * const added = await maintenance.addKey({ password: "for the safe", host: "safe" });
   * await maintenance.removeKey({ key: added.id });
   * ```
   */
  addKey(request: NewPasswordRequest): Promise<VaultKey> {
    return this.#runner.run("vault", request, verbs.addKey);
  }

  /**
   * Removes a password: it opens nothing from now on. Whoever has read the repository with
   * it may have kept what he read.
   *
   * @throws {BackupError} `not-found`; `unsafe` for the key in use and the last one
   */
  removeKey(request: RemoveKeyRequest): Promise<VaultKey> {
    return this.#runner.run("vault", request, verbs.removeKey);
  }

  /** Replaces the password the repository was opened with. Managers opened with the old one go on. */
  changePassword(request: NewPasswordRequest): Promise<VaultKey> {
    return this.#runner.run("vault", request, verbs.changePassword);
  }

  /**
   * Frees the space that no backup of a repository needs.
   *
   * @throws {BackupError} `locked`; `damaged` if something needed is missing, before anything is removed
   * @example
   * ```ts
   * const { plan, done } = await maintenance.prune({ confirm: async ({ bytesFreed }) => bytesFreed > 1e9 });
   * console.log(plan.bytesUnused, done);
   * ```
   */
  prune(request: PruneRequest = {}): Promise<PruneResult> {
    return this.#runner.run("vault", request, verbs.pruneVault);
  }

  /**
   * Removes locks of runs that are gone, or with `all` every lock.
   *
   * @example
   * ```ts
   * const { remaining } = await maintenance.unlock();
   * console.log(remaining.map((lock) => `${lock.host} ${lock.pid}`));
   * ```
   */
  unlock(request: UnlockRequest = {}): Promise<UnlockResult> {
    return this.#runner.open("vault", request, verbs.unlockVault);
  }

  /**
   * Makes the index of a repository again from its packs.
   *
   * @example
   * ```ts
   * const { packsAdded } = await maintenance.repairIndex();
   * console.log(packsAdded);
   * ```
   */
  repairIndex(options: RunOptions = {}): Promise<RepairIndexReport> {
    return this.#runner.run("vault", options, verbs.repairIndex);
  }

  /**
   * Rewrites backups of a repository without what is lost, and says what that is.
   *
   * @example
   * ```ts
   * const { lost } = await maintenance.repairBackups({ dryRun: true });
   * console.log(lost.map((damage) => damage.path));
   * ```
   */
  repairBackups(request: RepairBackupsRequest = {}): Promise<RepairBackupsReport> {
    return this.#runner.run("vault", request, verbs.repairBackups);
  }

  /**
   * What somebody has to know to get the backups of a repository back without this program.
   *
   * @example
   * ```ts
   * const { repositoryId, passwordPlace } = await maintenance.gatherRecoveryFacts();
   * console.log(repositoryId, passwordPlace);
   * ```
   */
  gatherRecoveryFacts(options: RunOptions = {}): Promise<RecoveryFacts> {
    return this.#runner.run("vault", options, verbs.gatherRecoveryFacts);
  }
}
