/**
 * The repository vault: backups in a restic repository, deduplicated and encrypted.
 * Puts the parts together; those that do the work are loaded when they are needed.
 *
 * @module
 */

import type { Backup } from "../../domain/backup.ts";
import type { Clock } from "../../domain/clock.ts";
import { BackupError, isBackupError } from "../../domain/error.ts";
import { silentObserver } from "../../domain/progress.ts";
import type { ThisMachine } from "../../domain/run-owner.ts";
import type { ScryptCost } from "../../format/restic/keys.ts";
import type { Storage } from "../../storage/storage.ts";
import { defaultLockWaitMs } from "../lock-wait.ts";
import type { Maintenance } from "../maintenance.ts";
import type { OwnerNames } from "../owner-names.ts";
import type {
  BackupReader,
  BackupRemover,
  BackupWriter,
  BeginOptions,
  CleanReport,
  ForeignSnapshot,
  LockOptions,
  TakeOptions,
  Vault,
  VaultRecords,
  VerifyOptions,
  VerifyReport,
} from "../vault.ts";
import { RepositoryKeyRing } from "./key-ring.ts";
import { foldersFlaw } from "./data-folders.ts";
import { acquireLock, awaitOthers } from "./locks/acquire-lock.ts";
import { repositoryMaintenance } from "./maintenance/repository-maintenance.ts";
import { listObjects } from "./objects.ts";
import { createRepository, isRepository, openRepository, type RepositoryOptions } from "./open-repository.ts";
import { SpareWorkers } from "./read/spare-workers.ts";
import { RepositoryRecords } from "./records.ts";
import type { Repository } from "./repository.ts";
import { makeSnapshotsFolder } from "./snapshots-folder.ts";

export interface OpenRepositoryVaultOptions {
  /** Disposed of with the vault. */
  readonly storage: Storage;
  /** Asked once, when it is certain that there is something to open or to make. */
  readonly password: () => Promise<string>;
  readonly machine: ThisMachine;
  readonly clock: Clock;
  readonly toolVersion: string;
  /** Make a repository where there is none. */
  readonly create: boolean;
  /** Numbers only when left out. */
  readonly ownerNames?: OwnerNames;
  /** A backup is going to be restored: threads for that are started, and modules loaded, while the key is derived. */
  readonly forRestore?: boolean;
  /** See {@link RepositoryOptions.meanwhile}. */
  readonly meanwhile?: () => Promise<unknown>;
  /** For tests: keys that are cheaper to open than any real one. */
  readonly keyCost?: ScryptCost;
}

/**
 * Opens a repository vault, or makes it.
 *
 * @throws {BackupError} `not-found` if there is none and none is to be made; `wrong-password`;
 *   `unsupported` if it is of a newer version; `invalid-input` if something else is there; `damaged`
 */
export async function openRepositoryVault(
  options: OpenRepositoryVaultOptions,
  signal: AbortSignal,
): Promise<Vault> {
  signal.throwIfAborted();
  if (options.forRestore !== true) return new RepositoryVault(options, await openOrCreate(options, signal));
  const spareWorkers = new SpareWorkers();
  const meanwhile = async (): Promise<void> => {
    await Promise.all([import("./list-backups.ts"), import("./backup-reader.ts"), options.meanwhile?.()]);
    // Last, and nobody waits for them: a key that is derived has the first claim on a processor.
    void spareWorkers.start();
  };
  try {
    const repo = await openOrCreate({ ...options, meanwhile }, signal);
    return new RepositoryVault(options, { ...repo, spareWorkers });
  } catch (error) {
    await spareWorkers[Symbol.asyncDispose]();
    throw error;
  }
}

async function openOrCreate(options: OpenRepositoryVaultOptions, signal: AbortSignal): Promise<Repository> {
  const { storage, machine, clock, toolVersion, create, keyCost, meanwhile } = options;
  const isThere = await isRepository(storage, signal);
  // Without a password nothing is to be asked where there is nothing to open.
  const password = isThere || create ? await options.password() : "";
  const common: RepositoryOptions = { storage, password, machine, clock, toolVersion, meanwhile };
  if (isThere || !create) return await openRepository(common, signal);
  try {
    return await createRepository({ ...common, keyCost }, signal);
  } catch (error) {
    // Another run was faster.
    if (isBackupError(error, "exists")) return await openRepository(common, signal);
    throw error;
  }
}

class RepositoryVault implements Vault {
  readonly format = "repository";
  readonly location: string;
  readonly stagingDirectory: string | undefined;
  readonly readOnly: boolean;
  readonly records: VaultRecords;
  readonly maintenance: Maintenance;
  readonly #repo: Repository;
  readonly #options: OpenRepositoryVaultOptions;

  constructor(options: OpenRepositoryVaultOptions, repo: Repository) {
    const { location, properties } = repo.storage;
    this.#repo = repo;
    this.#options = options;
    this.location = location;
    this.stagingDirectory = properties.stagingDirectory;
    this.readOnly = properties.readOnly;
    this.records = new RepositoryRecords(repo);
    const keys = new RepositoryKeyRing(repo, { keyCost: options.keyCost });
    this.maintenance = repositoryMaintenance(repo, keys);
  }

  async begin(options: BeginOptions, signal: AbortSignal): Promise<BackupWriter> {
    this.#assertWritable("make a backup");
    const { openBackupWriter } = await import("./backup-writer.ts");
    const lock = await acquireLock(this.#repo, { ...options, exclusive: false }, signal);
    try {
      await makeSnapshotsFolder(this.#repo.storage, signal);
      const { ownerNames } = this.#options;
      return await openBackupWriter({ repo: this.#repo, lock, begun: options, ownerNames }, signal);
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  async takeForeign(snapshot: ForeignSnapshot, options: TakeOptions, signal: AbortSignal): Promise<Backup> {
    this.#assertWritable("make a backup");
    const { takeSnapshot } = await import("./foreign/take-snapshot.ts");
    await using lock = await acquireLock(this.#repo, { ...options, exclusive: false }, signal);
    await makeSnapshotsFolder(this.#repo.storage, signal);
    return await takeSnapshot({ ...options, repo: this.#repo, lock }, snapshot, signal);
  }

  async list(signal: AbortSignal): Promise<readonly Backup[]> {
    const { listBackups } = await import("./list-backups.ts");
    return await listBackups(this.#repo, signal);
  }

  async listNames(signal: AbortSignal): Promise<ReadonlySet<string>> {
    return new Set((await listObjects(this.#repo, "snapshots", signal)).map(({ id }) => id));
  }

  async open(id: string, signal: AbortSignal): Promise<BackupReader> {
    const { openBackupReader } = await import("./backup-reader.ts");
    return await openBackupReader(this.#repo, id, signal);
  }

  async verify(id: string, options: VerifyOptions, signal: AbortSignal): Promise<VerifyReport> {
    const { verifyBackup } = await import("./verify-backup.ts");
    return await verifyBackup(this.#repo, id, options, signal);
  }

  flaw(signal: AbortSignal): Promise<string> {
    return foldersFlaw(this.#repo.storage, signal);
  }

  async hold(signal: AbortSignal): Promise<AsyncDisposable> {
    const without: AsyncDisposable = { async [Symbol.asyncDispose]() {} };
    if (this.readOnly) return without;
    const options = { exclusive: false, lockWaitMs: defaultLockWaitMs, observer: silentObserver };
    try {
      return await acquireLock(this.#repo, options, signal);
    } catch (error) {
      if (!isBackupError(error, "no-space")) throw error;
      // Where no lock can be put nobody can begin to remove anything, and what is there must be had: once
      // those have ended that remove already (I7).
      await awaitOthers(this.#repo, options, signal);
      return without;
    }
  }

  async exclusively<T>(
    work: (remover: BackupRemover) => Promise<T>,
    options: LockOptions,
    signal: AbortSignal,
  ): Promise<T> {
    this.#assertWritable("remove backups");
    const { RepositoryBackupRemover } = await import("./remove-backups.ts");
    await using lock = await acquireLock(this.#repo, { ...options, exclusive: true }, signal);
    return await work(new RepositoryBackupRemover(this.#repo, lock));
  }

  async clean(signal: AbortSignal): Promise<CleanReport> {
    if (this.readOnly) return { objectsRemoved: 0, locksBroken: 0 };
    const { cleanRepository } = await import("./clean.ts");
    return await cleanRepository(this.#repo, signal);
  }

  freeBytes(signal: AbortSignal): Promise<number | undefined> {
    return this.#repo.storage.freeBytes(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#repo.spareWorkers?.[Symbol.asyncDispose]();
    await this.#repo.storage[Symbol.asyncDispose]();
  }

  #assertWritable(what: string): void {
    if (!this.readOnly) return;
    throw new BackupError("storage-unavailable", `Cannot ${what} in ${this.location}: it is read-only`, {
      hint: "Check the permissions of the vault, and how its disk is mounted.",
    });
  }
}
