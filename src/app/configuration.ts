/**
 * What is configured, as plain data, and its check: the same form whether it comes
 * from a program, a `vertex-backup.yaml` or command-line options. Reads nothing.
 *
 * @module
 */

import { basename, resolve } from "node:path";
import { BackupError } from "../domain/error.ts";
import { checkRetentionRules, type RetentionRules } from "../domain/retention-rules.ts";
import type { DatabaseSource, FileReference, FolderSource, Source } from "../operations/requests.ts";
import type { VaultFormat } from "../vault/vault.ts";
import { checkConfigurationTypes } from "./check-types.ts";
import type { PasswordSource } from "./password.ts";

export interface ManagerConfiguration {
  /** Folder of the vault. It is made by the first backup. */
  readonly vault: string;
  /** What the first backup makes where there is no vault; one that is there is recognised. Default: `archive`. */
  readonly format?: VaultFormat;
  /** Opens a repository vault; read when it is opened. An archive vault has none. */
  readonly password?: PasswordSource;
  /** The apps to protect. May be left out by programs that only read a vault. */
  readonly sources?: readonly SourceConfiguration[];
  /** Default: the last 7, 14 daily and 8 weekly backups of each source and type. */
  readonly retention?: RetentionRules;
  /** Folder for restore journals. Default: `$XDG_STATE_HOME/vertex-backup`, else `~/.local/state/vertex-backup`. */
  readonly state?: string;
  /** How long to wait for another run that holds the vault, milliseconds. Default: 10 minutes. */
  readonly lockWaitMs?: number;
}

export interface SourceConfiguration {
  /** Letters, digits, `.`, `_` and `-`. */
  readonly name: string;
  /** SQLite databases, by path. */
  readonly databases?: readonly (string | DatabaseConfiguration)[];
  /** Folders of files, by path. */
  readonly storage?: readonly (string | FolderConfiguration)[];
  readonly references?: readonly ReferenceConfiguration[];
}

export interface DatabaseConfiguration {
  readonly path: string;
  /** Unique within the source. Default: the file's own name. */
  readonly name?: string;
}

export interface FolderConfiguration {
  readonly path: string;
  /** Unique within the source. Default: the folder's own name. */
  readonly name?: string;
  /** gitignore-style patterns of what to leave out. */
  readonly exclude?: readonly string[];
  /** Do not descend into other file systems. Default: false. */
  readonly oneFileSystem?: boolean;
  /** Leave out folders that hold a CACHEDIR.TAG. Default: false. */
  readonly excludeCaches?: boolean;
  /** Patterns of files never looked at as databases; `["*"]` for all. */
  readonly plainFiles?: readonly string[];
}

/** A column whose values name files that must be in the backup. */
export interface ReferenceConfiguration {
  /** Name of one of the databases; may be left out where there is only one. */
  readonly database?: string;
  readonly table: string;
  readonly column: string;
  /** Folder that relative values are meant from. */
  readonly base: string;
}

/**
 * The sources with every default filled in and every path absolute.
 *
 * @param baseDirectory Folder that relative paths are meant from
 * @throws {BackupError} `invalid-input` for names that are not unique or not usable
 */
export function resolveSources(
  sources: readonly SourceConfiguration[],
  baseDirectory: string,
): readonly Source[] {
  refuseRepeated(
    sources.map((source) => source.name),
    "sources",
  );
  return sources.map((source) => resolveSource(source, baseDirectory));
}

/** @throws {BackupError} `invalid-input` for what cannot be meant */
export function checkConfiguration(configuration: ManagerConfiguration): void {
  checkConfigurationTypes(configuration);
  if (configuration.vault === "") throw invalid("Cannot use the configuration: the vault has no path");
  if (configuration.retention !== undefined) checkRetentionRules(configuration.retention);
  const { lockWaitMs, format, password } = configuration;
  if (format !== undefined && format !== "archive" && format !== "repository") {
    throw invalid(
      `Cannot use the configuration: the format is "${String(format)}", wanted archive or repository`,
    );
  }
  if (password === "") throw invalid("Cannot use the configuration: the password is empty");
  if (lockWaitMs !== undefined && !(lockWaitMs >= 0)) {
    throw invalid(`Cannot use the configuration: lockWaitMs is ${lockWaitMs}`);
  }
}

function resolveSource(source: SourceConfiguration, baseDirectory: string): Source {
  if (!/^[A-Za-z0-9._-]+$/.test(source.name)) {
    throw invalid(
      `Cannot use source name "${source.name}": only letters, digits, ".", "_" and "-" are allowed`,
    );
  }
  const databases = (source.databases ?? []).map((database) => resolveDatabase(database, baseDirectory));
  const folders = (source.storage ?? []).map((folder) => resolveFolder(folder, baseDirectory));
  // Both are restored as DIR/<name>, so they share one set of names.
  refuseRepeated(
    [...databases, ...folders].map((item) => item.name),
    `databases and folders of source ${source.name}`,
  );
  const references = (source.references ?? []).map((reference) =>
    resolveReference(reference, databases, baseDirectory),
  );
  return { name: source.name, databases, folders, references };
}

function resolveDatabase(given: string | DatabaseConfiguration, baseDirectory: string): DatabaseSource {
  const { path, name } = typeof given === "string" ? { path: given, name: undefined } : given;
  const absolute = resolve(baseDirectory, nonEmpty(path));
  return { name: checkedName(name ?? basename(absolute), absolute), path: absolute };
}

function resolveFolder(given: string | FolderConfiguration, baseDirectory: string): FolderSource {
  const folder: FolderConfiguration = typeof given === "string" ? { path: given } : given;
  const absolute = resolve(baseDirectory, nonEmpty(folder.path));
  return {
    name: checkedName(folder.name ?? basename(absolute), absolute),
    path: absolute,
    excludes: folder.exclude ?? [],
    oneFileSystem: folder.oneFileSystem ?? false,
    excludeCaches: folder.excludeCaches ?? false,
    plainFiles: folder.plainFiles ?? [],
  };
}

function resolveReference(
  reference: ReferenceConfiguration,
  databases: readonly DatabaseSource[],
  baseDirectory: string,
): FileReference {
  const only = databases.length === 1 ? databases[0]?.name : undefined;
  const database = reference.database ?? only;
  if (database === undefined || !databases.some((candidate) => candidate.name === database)) {
    throw invalid(
      `Cannot check references of ${reference.table}.${reference.column}: no database "${database ?? ""}"`,
      "Name one of the databases of the same source.",
    );
  }
  const { table, column } = reference;
  return { database, table, column, base: resolve(baseDirectory, reference.base) };
}

function nonEmpty(path: string): string {
  if (path === "" || path.includes("\0")) throw invalid("Cannot use the configuration: a path is empty");
  return path;
}

function checkedName(name: string, path: string): string {
  // The name becomes a path component of archives and of restored trees.
  const usable = /^[^/\p{Cc}]+$/u.test(name) && name !== "." && name !== "..";
  if (usable) return name;
  if (/\p{Cc}/u.test(name)) {
    throw invalid(
      `Cannot use "${name}" as the name of ${path}: it has a control character, such as a newline`,
      "Give it a name without any; in the configuration file the key name sets one.",
    );
  }
  const state =
    name === "" ? "it is empty" : name.includes("/") ? "it has a slash" : "it stands for a folder";
  throw invalid(
    `Cannot use "${name}" as the name of ${path}: ${state}`,
    "Give it a name of its own, without slashes.",
  );
}

function refuseRepeated(names: readonly string[], what: string): void {
  const repeated = names.find((name, index) => names.indexOf(name) !== index);
  if (repeated === undefined) return;
  throw invalid(
    `Cannot use the configuration: two ${what} are named "${repeated}"`,
    "Give one of them another name.",
  );
}

function invalid(message: string, hint?: string): BackupError {
  return new BackupError("invalid-input", message, hint === undefined ? {} : { hint });
}
