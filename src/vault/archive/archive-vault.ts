/**
 * The archive vault: backups as plain files that `tar` and `sqlite3` open. This
 * is the facade; each job has a file of its own, loaded when it is first done.
 *
 * @module
 */

import type { Backup } from "../../domain/backup.ts";
import type { Clock } from "../../domain/clock.ts";
import { BackupError } from "../../domain/error.ts";
import { silentObserver } from "../../domain/progress.ts";
import type { ThisMachine } from "../../domain/run-owner.ts";
import { archiveName, contentsName, metadataName, parseBackupId } from "../../format/archive/file-names.ts";
import type { Storage } from "../../storage/storage.ts";
import { defaultLockWaitMs } from "../lock-wait.ts";
import type { OwnerNames } from "../owner-names.ts";
import type {
  BackupReader,
  BackupRemover,
  BackupWriter,
  BeginOptions,
  CleanReport,
  Damage,
  LockOptions,
  Vault,
  VaultRecords,
  VerifyOptions,
  VerifyReport,
} from "../vault.ts";
import { listGroups } from "./backup-groups.ts";
import type { BackupWriterOptions } from "./backup-writer.ts";
import { listBackups } from "./list-backups.ts";
import { RunLocks } from "./locks/run-locks.ts";
import { Reserve } from "./reserve.ts";
import { checkVaultMarker, lacksMarker, markerName, markerRemedy, putMarker } from "./vault-marker.ts";
import { ArchiveVaultRecords } from "./vault-records.ts";

export interface OpenArchiveVaultOptions {
  /** Disposed of with the vault. */
  readonly storage: Storage;
  readonly machine: ThisMachine;
  readonly clock: Clock;
  readonly toolVersion: string;
  /** Make a vault where there is none, or take over the folder of the Python original. */
  readonly create: boolean;
  /** Names of owners for archives; numbers only when left out. */
  readonly ownerNames?: OwnerNames;
}

/**
 * Opens an archive vault.
 *
 * @throws {BackupError} `not-found` if there is none and none is to be made;
 *   `unsupported` if a newer version made it; `invalid-input` if something else is
 *   there; `damaged` if its marker is unreadable
 */
export async function openArchiveVault(
  options: OpenArchiveVaultOptions,
  signal: AbortSignal,
): Promise<Vault> {
  const { putIfAbsent, consistentList, readOnly } = options.storage.properties;
  if (!readOnly && !(putIfAbsent && consistentList)) {
    throw new BackupError(
      "unsupported",
      `Cannot keep a vault in ${options.storage.location}: two runs at once could overwrite each other there`,
      { hint: "Use a storage that refuses to overwrite and lists what was just written." },
    );
  }
  return new ArchiveVault(options, await checkVaultMarker(options, signal));
}

class ArchiveVault implements Vault {
  readonly format = "archive";
  readonly location: string;
  readonly stagingDirectory: string | undefined;
  readonly readOnly: boolean;
  readonly records: VaultRecords;
  readonly #storage: Storage;
  readonly #locks: RunLocks;
  readonly #reserve: Reserve;
  readonly #options: OpenArchiveVaultOptions;

  #hasMarker: boolean;

  constructor(options: OpenArchiveVaultOptions, hasMarker: boolean) {
    const { storage } = options;
    this.#options = options;
    this.#storage = storage;
    this.location = storage.location;
    this.stagingDirectory = storage.properties.stagingDirectory;
    this.readOnly = storage.properties.readOnly;
    this.#reserve = new Reserve(storage);
    const putReserved = this.#reserve.put.bind(this.#reserve);
    this.records = new ArchiveVaultRecords(storage, putReserved);
    this.#locks = new RunLocks({ ...options, putReserved });
    this.#hasMarker = hasMarker;
  }

  async begin(options: BeginOptions, signal: AbortSignal): Promise<BackupWriter> {
    const { clock, toolVersion, ownerNames } = this.#options;
    this.#assertWritable("make a backup");
    const { checkDescribable } = await import("./backup-metadata.ts");
    const { ArchiveBackupWriter } = await import("./backup-writer.ts");
    checkDescribable(options, toolVersion);
    // The folder of the Python original, which was opened to read at first.
    if (!this.#hasMarker) await putMarker(this.#options, signal);
    this.#hasMarker = true;
    await this.#reserve.fill(signal);
    const lock = await this.#locks.acquireForCreate(options, options, signal);
    try {
      const parent = await this.#findParent(options.parent, signal);
      const [storage, locks] = [this.#storage, this.#locks];
      const run = { storage, clock, locks, lock, begun: options, parent };
      return new ArchiveBackupWriter({ ...run, toolVersion, ownerNames });
    } catch (error) {
      await this.#locks.release(lock, options);
      throw error;
    }
  }

  list(signal: AbortSignal): Promise<readonly Backup[]> {
    return listBackups(this.#storage, signal);
  }

  async listNames(signal: AbortSignal): Promise<ReadonlySet<string>> {
    const groups = (await listGroups(this.#storage, signal)).values();
    // Its metadata comes last, and makes it a backup: until then it goes by another name.
    return new Set(
      Array.from(groups, ({ id, metadata }) => (metadata === undefined ? `${id} unfinished` : id)),
    );
  }

  async open(id: string, signal: AbortSignal): Promise<BackupReader> {
    const [{ loadBackup }, { openBackupReader }, { notingSidecars }] = await Promise.all([
      import("./load-backup.ts"),
      import("./backup-reader.ts"),
      import("./database-sidecars.ts"),
    ]);
    const loaded = await loadBackup(this.#storage, id, signal);
    return openBackupReader(this.#storage, await notingSidecars(this.#storage, loaded, signal));
  }

  async verify(id: string, options: VerifyOptions, signal: AbortSignal): Promise<VerifyReport> {
    const { verifyBackup } = await import("./verify-backup.ts");
    return await verifyBackup(this.#options, id, options, signal);
  }

  async checkBeside(signal: AbortSignal): Promise<readonly Damage[]> {
    const { checkBeside } = await import("./check-beside.ts");
    return await checkBeside(this.#storage, signal);
  }

  async flaw(signal: AbortSignal): Promise<string> {
    if (this.#hasMarker || !(await lacksMarker(this.#storage, signal))) return "";
    return `${markerName} is missing from the vault ${this.location}: ${markerRemedy}`;
  }

  async hold(signal: AbortSignal): Promise<AsyncDisposable> {
    if (this.readOnly) return { async [Symbol.asyncDispose]() {} };
    const options = { lockWaitMs: defaultLockWaitMs, observer: silentObserver };
    const lock = await this.#locks.acquireForHold(options, signal);
    return {
      [Symbol.asyncDispose]: async () => {
        await this.#locks.release(lock, options);
        await this.#reserve.refill();
      },
    };
  }

  async exclusively<T>(
    work: (remover: BackupRemover) => Promise<T>,
    options: LockOptions,
    signal: AbortSignal,
  ): Promise<T> {
    this.#assertWritable("remove backups");
    const { ArchiveBackupRemover } = await import("./remove-backups.ts");
    const { lock } = await this.#locks.acquireExclusive("remove", options, signal);
    const remover = new ArchiveBackupRemover(this.#storage, lock);
    try {
      return await work(remover);
    } finally {
      if (await remover.settle()) await this.#locks.release(lock, options);
      else await lock.demote();
      await this.#reserve.refill();
    }
  }

  async clean(signal: AbortSignal): Promise<CleanReport> {
    if (this.readOnly) return { objectsRemoved: 0, locksBroken: 0 };
    const { cleanVault } = await import("./clean-vault.ts");
    try {
      return await cleanVault(this.#storage, this.#locks, signal);
    } finally {
      await this.#reserve.refill();
    }
  }

  freeBytes(signal: AbortSignal): Promise<number | undefined> {
    return this.#storage.freeBytes(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#storage[Symbol.asyncDispose]();
  }

  #assertWritable(what: string): void {
    if (!this.readOnly) return;
    throw new BackupError("storage-unavailable", `Cannot ${what} in ${this.location}: it is read-only`, {
      hint: "Check the permissions of the vault, and how its disk is mounted.",
    });
  }

  /** The parent's objects, if all of them are there: without one of them everything is simply read. */
  async #findParent(id: string | undefined, signal: AbortSignal): Promise<BackupWriterOptions["parent"]> {
    const name = id === undefined ? undefined : parseBackupId(id);
    if (id === undefined || name === undefined || name.type === "database") return undefined;
    const parent = { archiveName: archiveName(name.stamp), contentsName: contentsName(name.stamp) };
    const names = [metadataName(id), parent.archiveName, parent.contentsName];
    const found = await Promise.all(names.map((object) => this.#storage.stat(object, signal)));
    return found.includes(undefined) ? undefined : parent;
  }
}
