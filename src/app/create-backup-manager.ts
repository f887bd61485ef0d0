/**
 * The composition root: turns a configuration into a wired {@link BackupManager}.
 * Everybody goes through it; nobody wires by hand.
 *
 * @module
 */

import { type Clock, systemClock } from "../domain/clock.ts";
import type { Observer } from "../domain/progress.ts";
import { BackupManager } from "../operations/backup-manager.ts";
import { checkManagerOptions } from "./check-types.ts";
import { checkConfiguration, type ManagerConfiguration, resolveSources } from "./configuration.ts";
import { currentDirectory } from "./current-directory.ts";
import { LocalContexts } from "./local-contexts.ts";
import type { PasswordPurpose } from "./open-vault.ts";
import type { Environment } from "./state-directory.ts";

export interface ManagerOptions {
  /** Hears every operation of the manager. */
  readonly observer?: Observer;
  /** The system's clock unless given. */
  readonly clock?: Clock;
  /** Where variables that the configuration names are looked up; this process's unless given. */
  readonly environment?: Environment;
  /** Asks somebody for the password of a repository, where the configuration has none; a wrong one twice again. */
  readonly askPassword?: (purpose: PasswordPurpose) => Promise<string>;
}

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
  checkManagerOptions(options);
  const contexts = new LocalContexts({
    configuration,
    sources: resolveSources(configuration.sources ?? [], currentDirectory()),
    clock: options.clock ?? systemClock,
    environment: options.environment ?? process.env,
    askPassword: options.askPassword,
  });
  return new BackupManager(contexts, options.observer);
}
