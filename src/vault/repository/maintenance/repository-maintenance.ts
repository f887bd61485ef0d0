/**
 * What a repository can do besides being a vault. Takes the locks; the work is in the
 * folders beside this file, loaded when it is asked for.
 *
 * @module
 */

import { randomInt } from "node:crypto";
import { BackupError } from "../../../domain/error.ts";
import type {
  CheckOptions,
  CheckReport,
  KeyRing,
  Maintenance,
  PruneOptions,
  PruneReport,
  RepairBackupsOptions,
  RepairBackupsReport,
  RepairIndexReport,
  VaultLock,
} from "../../maintenance.ts";
import type { LockOptions } from "../../vault.ts";
import { acquireLock } from "../locks/acquire-lock.ts";
import { listLocks, removeStaleLocks } from "../locks/list-locks.ts";
import type { RepositoryLock } from "../locks/repository-lock.ts";
import type { Repository } from "../repository.ts";

const chanceSteps = 2 ** 47;

export function repositoryMaintenance(repo: Repository, keys: KeyRing): Maintenance {
  return new RepositoryMaintenance(repo, keys);
}

class RepositoryMaintenance implements Maintenance {
  readonly repositoryId: string;
  readonly keys: KeyRing;
  readonly #repo: Repository;

  constructor(repo: Repository, keys: KeyRing) {
    this.#repo = repo;
    this.keys = keys;
    this.repositoryId = repo.config.id;
  }

  async check(options: CheckOptions, signal: AbortSignal): Promise<CheckReport> {
    const { checkRepository } = await import("./check/check-repository.ts");
    const random = (): number => randomInt(chanceSteps) / chanceSteps;
    if (this.#isReadOnly) return await checkRepository(this.#repo, options, random, signal);
    // Shared: what backups add meanwhile does no harm, and they need not wait for hours.
    await using lock = await acquireLock(this.#repo, { ...options, exclusive: false }, signal);
    const both = AbortSignal.any([signal, lock.lost]);
    return await checkRepository(this.#repo, options, random, both);
  }

  async prune(options: PruneOptions, signal: AbortSignal): Promise<PruneReport> {
    const { pruneRepository } = await import("./prune/prune-repository.ts");
    return await this.#exclusively("prune", options, signal, (lock) =>
      pruneRepository({ repo: this.#repo, lock }, options, signal),
    );
  }

  async locks(signal: AbortSignal): Promise<readonly VaultLock[]> {
    return await listLocks(this.#repo, signal);
  }

  async unlock(options: { readonly all: boolean }, signal: AbortSignal): Promise<readonly VaultLock[]> {
    this.#assertWritable("unlock");
    return await removeStaleLocks(this.#repo, options, signal);
  }

  async repairIndex(options: LockOptions, signal: AbortSignal): Promise<RepairIndexReport> {
    const { repairIndex } = await import("./repair/repair-index.ts");
    return await this.#exclusively("repair the index of", options, signal, (lock) =>
      repairIndex({ repo: this.#repo, lock }, options, signal),
    );
  }

  async repairBackups(options: RepairBackupsOptions, signal: AbortSignal): Promise<RepairBackupsReport> {
    const { repairBackups } = await import("./repair/repair-backups.ts");
    return await this.#exclusively("repair backups of", options, signal, (lock) =>
      repairBackups({ repo: this.#repo, lock }, options, signal),
    );
  }

  async #exclusively<T>(
    what: string,
    options: LockOptions,
    signal: AbortSignal,
    work: (lock: RepositoryLock) => Promise<T>,
  ): Promise<T> {
    this.#assertWritable(what);
    await using lock = await acquireLock(this.#repo, { ...options, exclusive: true }, signal);
    return await work(lock);
  }

  get #isReadOnly(): boolean {
    return this.#repo.storage.properties.readOnly;
  }

  #assertWritable(what: string): void {
    if (!this.#isReadOnly) return;
    throw new BackupError(
      "storage-unavailable",
      `Cannot ${what} ${this.#repo.storage.location}: it is read-only`,
      { hint: "Check the permissions of the vault, and how its disk is mounted." },
    );
  }
}
