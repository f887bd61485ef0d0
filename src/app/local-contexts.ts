/**
 * What the operations of one manager are given: its vault, opened once by the first
 * operation that needs it, and the facts of this machine.
 *
 * @module
 */

import { chmod } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { BackupType } from "../domain/backup.ts";
import type { Clock } from "../domain/clock.ts";
import { BackupError, errorText, isBackupError } from "../domain/error.ts";
import type { PackedItem, PackFormat } from "../domain/packed-item.ts";
import { defaultRetention } from "../domain/retention-rules.ts";
import type { Access, ContextProvider, OperationContext } from "../operations/context.ts";
import type { Source } from "../operations/requests.ts";
import { skippedPaths, walkOptions } from "../operations/walk-ahead.ts";
import type { DatabaseCapturer } from "../source/capture/database-capturer.ts";
import { seemsToHoldMany } from "../source/folder/guess-size.ts";
import { entriesWorthThread, prepareWalkThread } from "../source/folder/walk-thread.ts";
import { makeDurableDirectory } from "../storage/local-directories.ts";
import { readThisMachine } from "../storage/this-machine.ts";
import { absentVault } from "../vault/absent-vault.ts";
import type { Vault, VaultFormat } from "../vault/vault.ts";
import type { ManagerConfiguration } from "./configuration.ts";
import { explainMissing, refuseIfKnown, rememberVault } from "./known-vaults.ts";
import { findVault, makeVault, openVault, type PasswordPurpose, type VaultPlace } from "./open-vault.ts";
import { describe, readPassword, refuseEmpty } from "./password.ts";
import { PreparedWalk } from "./prepared-walk.ts";
import { defaultStateDirectory, type Environment } from "./state-directory.ts";
import { makeTemporaryDirectory } from "./temporary-directory.ts";
import { toolVersion } from "./tool-version.ts";

/** Long enough for a backup of some gigabytes that is just being made. */
const defaultLockWaitMs = 10 * 60_000;

export interface LocalContextsOptions {
  readonly configuration: ManagerConfiguration;
  readonly sources: readonly Source[];
  readonly clock: Clock;
  readonly environment: Environment;
  /** Asks somebody for the password, where none is configured. */
  readonly askPassword: ((purpose: PasswordPurpose) => Promise<string>) | undefined;
}

type Warn = (message: string) => void;

/** Opens the vault of a configuration, which lies in a local folder. */
export class LocalContexts implements ContextProvider {
  readonly sources: readonly Source[];
  readonly #options: LocalContextsOptions;
  readonly #vaultDirectory: string;
  readonly #stateDirectory: string;
  #opened: Promise<OperationContext> | undefined;
  #state: Promise<void> | undefined;
  /** In the place of a state folder that cannot be used. */
  #temporary: Promise<string> | undefined;
  /** Was a vault made that nobody has been told of yet? */
  #madeVault = false;
  /** Waits for the operation that it was prepared for. */
  #capturer: Promise<DatabaseCapturer> | undefined;
  readonly #walk: PreparedWalk;

  constructor(options: LocalContextsOptions) {
    const { configuration, sources, environment, clock } = options;
    this.#options = options;
    this.sources = sources;
    this.#walk = new PreparedWalk(clock);
    this.#vaultDirectory = resolve(configuration.vault);
    this.#stateDirectory = resolve(configuration.state ?? defaultStateDirectory(environment));
  }

  async open(access: Access, signal: AbortSignal, warn: Warn): Promise<OperationContext> {
    const vaultOnly = await this.#contextFor(access, signal, warn);
    const context = access === "vault" ? vaultOnly : await this.#withScratch(vaultOnly, access, warn);
    if (access === "create") await rememberVault(this.#stateDirectory, this.#vaultDirectory);
    if (this.#madeVault) warn(`Made a new vault in ${this.#vaultDirectory}`);
    this.#madeVault = false;
    return context;
  }

  prepare({ databases, folders }: Source, type: BackupType): AsyncDisposable | undefined {
    if (type !== "storage" && databases.length > 0) {
      this.#capturer ??= preparedCapturer();
      // Whoever takes it is told.
      this.#capturer.catch(() => undefined);
    }
    if (type === "database") return undefined;
    const large = folders.filter(({ path }) => seemsToHoldMany(path, entriesWorthThread));
    const [folder] = large;
    if (folder === undefined) return undefined;
    prepareWalkThread();
    // Where there are databases, they are captured before anything is walked; and folders in their order.
    const mayBegin = type === "storage" || databases.length === 0;
    if (folder !== folders[0] || !mayBegin) return undefined;
    const skip = skippedPaths(
      { ownDirectories: this.#ownDirectories },
      databases.map(({ path }) => path),
    );
    return this.#walk.begin(walkOptions(folder, skip));
  }

  async make(
    { format, beforeMaking }: Parameters<ContextProvider["make"]>[0],
    signal: AbortSignal,
    warn: Warn,
  ): Promise<OperationContext> {
    const place = this.#place(signal, warn);
    const found = await findVault(place, signal);
    if (found !== undefined) throw alreadyThere(this.#vaultDirectory, found);
    await refuseIfKnown(this.#stateDirectory, this.#vaultDirectory);
    await beforeMaking?.();
    // Who asks for a vault by name wants more than the first create makes anyway.
    const wanted = format ?? this.#options.configuration.format ?? "repository";
    const context = this.#facts(await makeVault(place, wanted, signal));
    await rememberVault(this.#stateDirectory, this.#vaultDirectory);
    this.#opened = Promise.resolve(context);
    return context;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const opened = this.#opened;
    this.#opened = undefined;
    await this.#walk.drop();
    const context = await opened?.catch(() => undefined);
    const capturer = await this.#takeCapturer()?.catch(() => undefined);
    await capturer?.[Symbol.asyncDispose]();
    await context?.vault[Symbol.asyncDispose]();
  }

  /** Only a restore needs a state folder: nobody is to go without a backup because of one that cannot be written to. */
  async #withScratch(context: OperationContext, access: Access, warn: Warn): Promise<OperationContext> {
    try {
      this.#state ??= makeStateDirectories(context);
      await this.#state;
      return context;
    } catch (error) {
      this.#state = undefined;
      if (access === "state") throw error;
      this.#temporary ??= makeTemporaryDirectory();
      const scratchDirectory = await this.#temporary;
      const forgotten = access === "create" ? ", and it is not remembered that there is a vault here" : "";
      warn(`${errorText(error)}; copies are made in ${scratchDirectory} instead${forgotten}`);
      return { ...context, scratchDirectory, ownDirectories: [...context.ownDirectories, scratchDirectory] };
    }
  }

  /** B5: a backup file from elsewhere is restored on a machine that has no vault, and that restore is undone there. */
  async #contextFor(access: Access, signal: AbortSignal, warn: Warn): Promise<OperationContext> {
    try {
      return await this.#context(access, signal, warn);
    } catch (error) {
      const needsVault = access === "vault" || access === "create";
      if (needsVault || !isBackupError(error, "not-found")) throw error;
      const vault = absentVault(this.#vaultDirectory, error);
      // Not kept: the next call may find a vault.
      return { ...this.#facts(vault), vaultDirectory: undefined, ownDirectories: [this.#stateDirectory] };
    }
  }

  async #context(access: Access, signal: AbortSignal, warn: Warn): Promise<OperationContext> {
    const opened = this.#opened;
    if (opened === undefined) return await this.#openOnce(access, signal, warn);
    try {
      return await opened;
    } catch (error) {
      // The call that opened first may have found no vault, or was cancelled: that is not our answer.
      signal.throwIfAborted();
      if (access !== "create" && isBackupError(error)) throw error;
      return await this.#context(access, signal, warn);
    }
  }

  async #openOnce(access: Access, signal: AbortSignal, warn: Warn): Promise<OperationContext> {
    const opening = this.#connect(access, signal, warn);
    this.#opened = opening;
    try {
      return await opening;
    } catch (error) {
      if (this.#opened === opening) this.#opened = undefined;
      throw error;
    }
  }

  async #connect(access: Access, signal: AbortSignal, warn: Warn): Promise<OperationContext> {
    // Who asks for the state folder mostly restores.
    const place = { ...this.#place(signal, warn), forRestore: access === "state" };
    const create = access === "create";
    const isNew = create && (await findVault(place, signal)) === undefined;
    if (isNew) return this.#facts(await this.#makeFirst(place, signal));
    const vault = await openVault(place, create, signal).catch(async (error: unknown) => {
      if (create || !isBackupError(error, "not-found")) throw error;
      throw await explainMissing(this.#stateDirectory, this.#vaultDirectory, error);
    });
    const { format } = this.#options.configuration;
    if (format !== undefined && format !== vault.format) {
      warn(
        `The vault ${this.#vaultDirectory} is of the format ${vault.format}, and not ${format} as configured`,
      );
    }
    return this.#facts(vault);
  }

  /** The vault of the first backup. */
  async #makeFirst(place: VaultPlace, signal: AbortSignal): Promise<Vault> {
    const { format, password } = this.#options.configuration;
    await refuseIfKnown(this.#stateDirectory, this.#vaultDirectory);
    if (format === undefined && password !== undefined) throw formatUnclear(this.#vaultDirectory);
    const vault = await makeVault(place, format ?? "archive", signal);
    this.#madeVault = true;
    return vault;
  }

  #place(signal: AbortSignal, warn: Warn): VaultPlace {
    const { clock, configuration, askPassword, environment } = this.#options;
    const source = configuration.password;
    const password = async (purpose: PasswordPurpose): Promise<string> => {
      if (source !== undefined) return await readPassword(source, { environment, warn }, signal);
      if (askPassword === undefined) throw noPassword(this.#vaultDirectory);
      return refuseEmpty(await askPassword(purpose), "that was given");
    };
    const canAskAgain = source === undefined && askPassword !== undefined;
    return { directory: this.#vaultDirectory, clock, password, canAskAgain };
  }

  get #ownDirectories(): readonly string[] {
    return [this.#vaultDirectory, this.#stateDirectory];
  }

  #facts(vault: Vault): OperationContext {
    const { configuration, clock } = this.#options;
    const { password } = configuration;
    return {
      vault,
      sources: this.sources,
      retention: configuration.retention ?? defaultRetention,
      clock,
      machine: readThisMachine(),
      stateDirectory: this.#stateDirectory,
      scratchDirectory: join(this.#stateDirectory, "scratch"),
      vaultDirectory: this.#vaultDirectory,
      ownDirectories: this.#ownDirectories,
      lockWaitMs: configuration.lockWaitMs ?? defaultLockWaitMs,
      toolVersion,
      passwordPlace: password === undefined ? "typed by hand, kept nowhere" : describe(password),
      // Loaded by the operations that come to need them: a list does not.
      openLooseFile: async (path, fileSignal) =>
        (await import("../vault/archive/open-loose-file.ts")).openLooseFile(path, fileSignal),
      packItems,
      takeWalk: (options) => this.#walk.take(options),
      dropWalk: () => this.#walk.drop(),
      openCapturer: () => this.#takeCapturer() ?? newCapturer(),
    };
  }

  #takeCapturer(): Promise<DatabaseCapturer> | undefined {
    const capturer = this.#capturer;
    this.#capturer = undefined;
    return capturer;
  }
}

async function newCapturer(): Promise<DatabaseCapturer> {
  return await (await import("../source/capture/database-capturer.ts")).openDatabaseCapturer();
}

async function preparedCapturer(): Promise<DatabaseCapturer> {
  const capturer = await newCapturer();
  capturer.prepare();
  return capturer;
}

async function* packItems(
  format: PackFormat,
  items: AsyncIterable<PackedItem>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  if (format === "tar") yield* (await import("../vault/pack/tar-stream.ts")).tarStream(items, signal);
  else yield* (await import("../vault/pack/zip-stream.ts")).zipStream(items, signal);
}

function noPassword(directory: string): BackupError {
  return new BackupError("invalid-input", `Cannot open the repository ${directory}: no password is given`, {
    hint: "Name the file it is in with --password-file, or set VERTEX_BACKUP_PASSWORD_FILE.",
  });
}

function alreadyThere(directory: string, format: VaultFormat): BackupError {
  const what = format === "archive" ? "an archive vault" : "a repository";
  return new BackupError("exists", `Cannot make a vault in ${directory}: ${what} is there already`, {
    hint: "Use it as it is, or choose another folder.",
  });
}

/** Somebody who gives a password does not expect backups that everybody can read. */
function formatUnclear(directory: string): BackupError {
  return new BackupError(
    "invalid-input",
    `Cannot make a vault in ${directory}: a password is given, and an archive vault is not encrypted`,
    { hint: "Make the vault with init, which says of which format, or give no password." },
  );
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
