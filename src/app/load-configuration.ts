/**
 * Puts the configuration of the command line together: options win over environment
 * variables, which win over `vertex-backup.yaml`, which wins over defaults.
 *
 * @module
 */

import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { type BackupType, backupTypes } from "../domain/backup.ts";
import { BackupError } from "../domain/error.ts";
import type { RetentionRules } from "../domain/retention-rules.ts";
import type { ManagerConfiguration, SourceConfiguration } from "./configuration.ts";
import type { FileConfiguration } from "./configuration-file.ts";
import { fromHome } from "./home-directory.ts";
import { choosePassword, type GivenPassword } from "./password-choice.ts";
import type { Environment } from "./state-directory.ts";
import { localFolder, resticFolder } from "./vault-place.ts";

/** What may be said on the command line. Relative paths are meant from the current directory. */
export interface ConfigurationOverrides extends GivenPassword {
  /** Configuration file; must exist. */
  readonly config?: string;
  readonly vault?: string;
  /** Databases and folders to protect instead of the configured sources. */
  readonly databases?: readonly string[];
  readonly storage?: readonly string[];
}

export interface LoadedConfiguration {
  /** All paths absolute. */
  readonly configuration: ManagerConfiguration;
  /** The file it was read from, if any. */
  readonly file?: string;
  /** From `BACKUP_TYPE`. */
  readonly type?: BackupType;
}

/** Looked for in the current directory. */
const defaultFile = "vertex-backup.yaml";

const nothingConfigured: FileConfiguration = { password: {} };

/** Name of the source that is made of `--database` and `--storage`. */
const defaultSourceName = "app";

/**
 * @param currentDirectory Absolute
 * @throws {BackupError} `invalid-input` for a file or a variable that makes no sense; `not-found` for a named file that is not there
 */
export async function loadConfiguration(
  overrides: ConfigurationOverrides,
  environment: Environment,
  currentDirectory: string,
): Promise<LoadedConfiguration> {
  const file = findFile(overrides, environment, currentDirectory);
  // Loaded on use: the YAML parser and the schemas would slow down every start without a file.
  const fromFile =
    file === undefined ? undefined : (await import("./configuration-file.ts")).readConfigurationFile(file);
  const { password: configuredPassword, ...configured } = fromFile ?? nothingConfigured;
  const retention = maxBackups(environment) ?? configured.retention;
  const state = pathIn(environment, "VERTEX_BACKUP_STATE");
  const type = backupType(environment);
  const password = choosePassword(overrides, environment, configuredPassword, currentDirectory);
  const configuration: ManagerConfiguration = {
    ...configured,
    ...vaultPlace(overrides.vault ?? pathIn(environment, "BACKUP_DIR"), configured.vault, {
      environment,
      currentDirectory,
    }),
    sources: overrideSources(overrides, currentDirectory) ?? configured.sources ?? [],
    ...(retention === undefined ? {} : { retention }),
    ...(state === undefined ? {} : { state: resolve(currentDirectory, state) }),
    ...(password === undefined ? {} : { password }),
  };
  return {
    configuration,
    ...(file === undefined ? {} : { file }),
    ...(type === undefined ? {} : { type }),
  };
}

/** An empty variable is one that is not set. */
function pathIn(environment: Environment, name: string): string | undefined {
  const path = environment[name];
  return path ? fromHome(path) : undefined;
}

/** @param named By an option or `BACKUP_DIR` */
function vaultPlace(
  named: string | undefined,
  configured: string | undefined,
  from: { readonly environment: Environment; readonly currentDirectory: string },
): Pick<ManagerConfiguration, "vault" | "format"> {
  if (named !== undefined) return { vault: readable(localFolder(named, from.currentDirectory)) };
  if (configured !== undefined) return { vault: configured };
  const restic = resticFolder(from.environment, from.currentDirectory);
  // What restic's variables name is never taken for the place of an archive vault.
  if (restic !== undefined) return { vault: restic, format: "repository" };
  return { vault: join(from.currentDirectory, "backups") };
}

function findFile(
  overrides: ConfigurationOverrides,
  environment: Environment,
  currentDirectory: string,
): string | undefined {
  const named = overrides.config ?? pathIn(environment, "VERTEX_BACKUP_CONFIG");
  const file = resolve(currentDirectory, named ?? defaultFile);
  if (existsSync(file)) return file;
  if (named === undefined) return undefined;
  throw new BackupError("not-found", `Cannot read configuration ${file}: no such file`);
}

function overrideSources(
  overrides: ConfigurationOverrides,
  currentDirectory: string,
): readonly SourceConfiguration[] | undefined {
  const databases = (overrides.databases ?? []).map((path) => readable(resolve(currentDirectory, path)));
  const storage = (overrides.storage ?? []).map((path) => readable(resolve(currentDirectory, path)));
  if (databases.length + storage.length === 0) return undefined;
  return [{ name: defaultSourceName, databases, storage }];
}

/**
 * Node.js puts U+FFFD in the place of bytes of an argument that are not UTF-8: what is named is not known any more.
 *
 * @throws {BackupError} `invalid-input`, unless there is something that is really called so
 */
function readable(path: string): string {
  if (!path.includes("\ufffd") || existsSync(path)) return path;
  throw new BackupError("invalid-input", `Cannot use ${path}: its name as given is not UTF-8`, {
    hint: "Name it by a symbolic link whose name is UTF-8, or give it another name.",
  });
}

function maxBackups(environment: Environment): RetentionRules | undefined {
  const text = environment["MAX_BACKUPS"];
  if (!text) return undefined;
  const last = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(last) && last >= 1) return { last };
  throw new BackupError("invalid-input", `Cannot use MAX_BACKUPS=${text}: not a whole number of at least 1`);
}

function backupType(environment: Environment): BackupType | undefined {
  const text = environment["BACKUP_TYPE"];
  if (!text) return undefined;
  const type = backupTypes.find((known) => known === text);
  if (type !== undefined) return type;
  throw new BackupError("invalid-input", `Cannot use BACKUP_TYPE=${text}: wanted ${backupTypes.join(", ")}`);
}
