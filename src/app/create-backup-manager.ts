/**
 * The composition root: turns a configuration into a wired {@link BackupManager}.
 * The only place that names concrete drivers; everybody goes through it.
 *
 * @module
 */

import { chmod } from "node:fs/promises";
import { join, resolve } from "node:path";
import { type Clock, systemClock } from "../domain/clock.ts";
import { BackupError, errorText, isBackupError } from "../domain/error.ts";
import type { Observer } from "../domain/progress.ts";
import { defaultRetention } from "../domain/retention.ts";
import { BackupManager } from "../operations/backup-manager.ts";
import type { Access, ContextProvider, OperationContext } from "../operations/context.ts";
import type { Source } from "../operations/requests.ts";
import { loadAccountNames } from "../source/folder/account-names.ts";
import { makeDurableDirectory } from "../storage/local-directories.ts";
import { openLocalStorage } from "../storage/local-storage.ts";
import { readThisMachine } from "../storage/this-machine.ts";
import { absentVault } from "../vault/absent-vault.ts";
import { openArchiveVault } from "../vault/archive/archive-vault.ts";
import type { Vault } from "../vault/vault.ts";
import { checkConfiguration, type ManagerConfiguration, resolveSources } from "./configuration.ts";
import { explainMissing, hasVaultMarker, refuseIfKnown, rememberVault } from "./known-vaults.ts";
import { defaultStateDirectory } from "./state-directory.ts";
import { toolVersion } from "./tool-version.ts";

export interface ManagerOptions {
  /** Hears every operation of the manager. */
  readonly observer?: Observer;
  /** The system's clock unless given. */
  readonly clock?: Clock;
}

/** Long enough for a backup of some gigabytes that is just being made. */
const defaultLockWaitMs = 10 * 60_000;

/**
 * Makes a manager. Reads and makes nothing yet: the vault is opened by the first
 * operation, and made by the first one that writes to it.
 *
 * @throws {BackupError} `invalid-input` for a configuration that makes no sense
 * @example
 * ```ts
 * await using manager = createBackupManager({
 *   vault: "./backups",
 *   sources: [{ name: "shop", databases: ["./app.db"], storage: ["./uploads"] }],
 *   retention: { last: 7, daily: 14 },
 * });
 * await manager.createBackup();
 * ```
 */
export function createBackupManager(
  configuration: ManagerConfiguration,
  options: ManagerOptions = {},
): BackupManager {
  checkConfiguration(configuration);
  const sources = resolveSources(configuration.sources ?? [], process.cwd());
  const contexts = new LocalContexts(configuration, sources, options.clock ?? systemClock);
  return new BackupManager(contexts, options.observer);
}

/** Opens an archive vault in a local folder, once. */
class LocalContexts implements ContextProvider {
  readonly sources: readonly Source[];
  readonly #configuration: ManagerConfiguration;
  readonly #clock: Clock;
  readonly #vaultDirectory: string;
  readonly #stateDirectory: string;
  #opened: Promise<OperationContext> | undefined;
  #state: Promise<void> | undefined;
  /** Was a vault made that nobody has been told of yet? */
  #madeVault = false;

  constructor(configuration: ManagerConfiguration, sources: readonly Source[], clock: Clock) {
    this.#configuration = configuration;
    this.sources = sources;
    this.#clock = clock;
    this.#vaultDirectory = resolve(configuration.vault);
    this.#stateDirectory = resolve(configuration.state ?? defaultStateDirectory(process.env));
  }

  async open(
    access: Access,
    signal: AbortSignal,
    warn: (message: string) => void,
  ): Promise<OperationContext> {
    const context = await this.#contextFor(access, signal);
    if (access !== "vault") {
      this.#state ??= makeStateDirectories(context);
      await this.#state;
    }
    if (access === "create") await rememberVault(this.#stateDirectory, this.#vaultDirectory);
    if (this.#madeVault) warn(`Made a new vault in ${this.#vaultDirectory}`);
    this.#madeVault = false;
    return context;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const opened = this.#opened;
    this.#opened = undefined;
    const context = await opened?.catch(() => undefined);
    await context?.vault[Symbol.asyncDispose]();
  }

  /** B5: a backup file from elsewhere is restored on a machine that has no vault, and that restore is undone there. */
  async #contextFor(access: Access, signal: AbortSignal): Promise<OperationContext> {
    try {
      return await this.#context(access, signal);
    } catch (error) {
      if (access !== "state" || !isBackupError(error, "not-found")) throw error;
      const vault = absentVault(this.#vaultDirectory, error);
      // Not kept: the next call may find a vault.
      return { ...this.#facts(vault), vaultDirectory: undefined, ownDirectories: [this.#stateDirectory] };
    }
  }

  async #context(access: Access, signal: AbortSignal): Promise<OperationContext> {
    const opened = this.#opened;
    if (opened === undefined) return await this.#openOnce(access, signal);
    try {
      return await opened;
    } catch (error) {
      // The call that opened first may have found no vault, or was cancelled: that is not our answer.
      signal.throwIfAborted();
      if (access !== "create" && isBackupError(error)) throw error;
      return await this.#context(access, signal);
    }
  }

  async #openOnce(access: Access, signal: AbortSignal): Promise<OperationContext> {
    const opening = this.#connect(access === "create", signal);
    this.#opened = opening;
    try {
      return await opening;
    } catch (error) {
      if (this.#opened === opening) this.#opened = undefined;
      throw error;
    }
  }

  async #connect(create: boolean, signal: AbortSignal): Promise<OperationContext> {
    const isNew = create && !(await this.#isThere(signal));
    if (isNew) await refuseIfKnown(this.#stateDirectory, this.#vaultDirectory);
    const vault = await this.#openVault(create, signal).catch(async (error: unknown) => {
      if (create || !isBackupError(error, "not-found")) throw error;
      throw await explainMissing(this.#stateDirectory, this.#vaultDirectory, error);
    });
    this.#madeVault ||= isNew;
    return this.#facts(vault);
  }

  #facts(vault: Vault): OperationContext {
    return {
      vault,
      sources: this.sources,
      retention: this.#configuration.retention ?? defaultRetention,
      clock: this.#clock,
      machine: readThisMachine(),
      stateDirectory: this.#stateDirectory,
      scratchDirectory: join(this.#stateDirectory, "scratch"),
      vaultDirectory: this.#vaultDirectory,
      ownDirectories: [this.#vaultDirectory, this.#stateDirectory],
      lockWaitMs: this.#configuration.lockWaitMs ?? defaultLockWaitMs,
      toolVersion,
      // Loaded by the operations that come to need them: a list does not.
      openLooseFile: async (path, fileSignal) =>
        (await import("../vault/archive/open-loose-file.ts")).openLooseFile(path, fileSignal),
      openCapturer: async () =>
        (await import("../source/capture/database-capturer.ts")).openDatabaseCapturer(),
    };
  }

  async #openVault(create: boolean, signal: AbortSignal): Promise<Vault> {
    const machine = readThisMachine();
    const storage = await openLocalStorage(this.#vaultDirectory, { create, machine });
    const ownerNames = loadAccountNames();
    return await openArchiveVault(
      { storage, machine, clock: this.#clock, toolVersion, create, ownerNames },
      signal,
    );
  }

  /** Is there a vault already? Makes nothing. */
  async #isThere(signal: AbortSignal): Promise<boolean> {
    if (await hasVaultMarker(this.#vaultDirectory)) return true;
    try {
      // The folder of the Python original is a vault without one.
      await using _vault = await this.#openVault(false, signal);
      return true;
    } catch (error) {
      if (isBackupError(error, "not-found")) return false;
      throw error;
    }
  }
}

async function makeStateDirectories(context: OperationContext): Promise<void> {
  await makePrivate(context.stateDirectory);
  await makePrivate(context.scratchDirectory);
}

/** Copies of databases and previous states lie here: nobody else may look in. */
async function makePrivate(directory: string): Promise<void> {
  try {
    await makeDurableDirectory(directory);
    await chmod(directory, 0o700);
  } catch (error) {
    throw unusable(directory, error);
  }
}

function unusable(directory: string, cause: unknown): BackupError {
  return new BackupError("storage-unavailable", `Cannot use state folder ${directory}: ${errorText(cause)}`, {
    cause,
    hint: "Set VERTEX_BACKUP_STATE to a folder that this user may write to.",
  });
}
