/**
 * What every operation is given: the vault, the sources and the facts of this
 * machine. Built once by `app/create-backup-manager.ts`; operations are
 * functions over it and hold no state of their own.
 *
 * @module
 */

import type { BackupType } from "../domain/backup.ts";
import type { Clock } from "../domain/clock.ts";
import type { PackedItem, PackFormat } from "../domain/packed-item.ts";
import type { RetentionRules } from "../domain/retention-rules.ts";
import type { ThisMachine } from "../domain/run-owner.ts";
import type { DatabaseCapturer } from "../source/capture/database-capturer.ts";
import type { WalkOptions } from "../source/folder/walk-folder.ts";
import type { BackupReader, Vault } from "../vault/vault.ts";
import type { Source } from "./requests.ts";
import type { CreateVaultRequest } from "./vault-requests.ts";
import type { WalkAhead } from "./walk-ahead.ts";

export interface OperationContext {
  readonly vault: Vault;
  /** Every configured source; their names are unique. */
  readonly sources: readonly Source[];
  readonly retention: RetentionRules;
  readonly clock: Clock;
  /** This process and its machine; `machine.owner.host` is recorded in backups and records. */
  readonly machine: ThisMachine;
  /** Private absolute folder (0700) that survives reboots: restore journals and kept previous states' records. It exists for operations that asked for it. */
  readonly stateDirectory: string;
  /** Private absolute folder (0700) for copies; whoever makes something in it removes it again. Exists but for operations that only asked for the vault. */
  readonly scratchDirectory: string;
  /** Absolute folder of a vault that lies on this machine; undefined elsewhere. */
  readonly vaultDirectory: string | undefined;
  /** Absolute folders of our own (vault, state, scratch) that a walk always leaves out. */
  readonly ownDirectories: readonly string[];
  /** How long to wait for another run before giving up as `locked`, milliseconds. */
  readonly lockWaitMs: number;
  readonly toolVersion: string;
  /** Where the password of a repository comes from, for people; never the password. */
  readonly passwordPlace: string;
  /** Opens databases in child processes, never in this one. The caller disposes of it. */
  readonly openCapturer: () => Promise<DatabaseCapturer>;
  /** The walk that {@link ContextProvider.prepare} has begun, if it is this one. The caller disposes of it. */
  readonly takeWalk?: (options: WalkOptions) => WalkAhead | undefined;
  /** Gives up that walk: what it saw is not as it is now. */
  readonly dropWalk?: () => Promise<void>;
  /** Opens one `.db` or `.tar.gz` that lies outside the vault. @throws {BackupError} `not-found`, `invalid-input` */
  readonly openLooseFile: (path: string, signal: AbortSignal) => Promise<BackupReader>;
  /** The tar or zip of these items, as it is read. @throws {BackupError} `damaged` for content that is not as long as its item says */
  readonly packItems: (
    format: PackFormat,
    items: AsyncIterable<PackedItem>,
    signal: AbortSignal,
  ) => AsyncIterable<Uint8Array>;
}

/**
 * Where a manager gets its context from. Opening is lazy, so that a manager costs
 * nothing until it is used and a vault is only made by operations that write to it.
 */
export interface ContextProvider extends AsyncDisposable {
  /** As in the context; known before anything is opened. */
  readonly sources: readonly Source[];
  /**
   * The context, opened on the first call and shared by later ones.
   *
   * @param warn Is told what people should know of how it was opened: that a vault was made
   * @throws {BackupError} `not-found` if there is no vault and `access` is not `create`;
   *   `storage-unavailable` if there was one and is none any more
   */
  open(access: Access, signal: AbortSignal, warn: (message: string) => void): Promise<OperationContext>;

  /**
   * Starts what a backup of a source is going to need, while the vault is still being opened.
   *
   * @returns what is to be disposed of when that backup has ended, however it did
   */
  prepare?(source: Source, type: BackupType): AsyncDisposable | undefined;

  /**
   * Makes a vault, and the context with it.
   *
   * @param request As in `CreateVaultRequest`
   * @throws {BackupError} `exists` if there is a vault; `invalid-input` if something else is there;
   *   `storage-unavailable` if there was one and is none any more
   */
  make(
    request: Pick<CreateVaultRequest, "format" | "beforeMaking">,
    signal: AbortSignal,
    warn: (message: string) => void,
  ): Promise<OperationContext>;
}

/**
 * How much an operation needs to be there.
 * - `vault`: the vault only, so that it can be listed where nothing else may be written
 * - `scratch`: also the scratch folder; a temporary one where the state folder cannot be used
 * - `state`: also the state and scratch folders
 * - `create`: as `scratch`, and the vault is made if it is not there
 */
export type Access = "vault" | "scratch" | "state" | "create";
