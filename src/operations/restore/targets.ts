/**
 * What of a backup is restored to which path. Pure; where the paths really are is
 * looked up later.
 *
 * @module
 */

import { join, resolve } from "node:path";
import type { Backup, BackupDatabase } from "../../domain/backup.ts";
import type { EntryRoot } from "../../domain/entry.ts";
import { BackupError } from "../../domain/error.ts";
import type { Source } from "../requests.ts";

interface DatabaseTarget {
  readonly kind: "database";
  /** As the backup calls it. */
  readonly name: string;
  /** Absolute path that will be replaced or made. */
  readonly path: string;
  readonly database: BackupDatabase;
}

interface FolderTarget {
  readonly kind: "folder";
  readonly name: string;
  readonly path: string;
}

export type RestoreTarget = DatabaseTarget | FolderTarget;

export interface TargetRequest {
  readonly target?: string | undefined;
  readonly source?: string | undefined;
  readonly databases: readonly BackupDatabase[];
  readonly roots: readonly EntryRoot[];
}

export interface ChosenTargets {
  readonly targets: readonly RestoreTarget[];
  readonly warnings: readonly string[];
}

/**
 * Decides where everything goes: below `target` if one is given; else where the configured
 * source of that name has it now; else where it was.
 *
 * @throws {BackupError} `invalid-input` where nothing says where something goes; `unsafe` for
 *   names that would lead out of `target`
 */
export function chooseTargets(
  backup: Backup,
  request: TargetRequest,
  sources: readonly Source[],
): ChosenTargets {
  const warnings: string[] = [];
  const source = configuredSource(backup, request.source, sources);
  const place = (kind: string, name: string, recorded: string, configured: readonly Place[]): string => {
    if (request.target !== undefined) return join(resolve(request.target), checkedName(name));
    // A file of the Python original says nothing about where it was: it can only be the one of its kind.
    const match =
      recorded === "" ? only(configured) : configured.find((candidate) => candidate.name === name);
    const path = match?.path ?? recorded;
    if (path === "") throw nowhere(kind, name);
    if (recorded !== "" && recorded !== path) {
      warnings.push(
        `${name} was backed up from ${recorded} and is restored to ${path}, where ${backup.source} has it now`,
      );
    }
    return checkedPath(path);
  };
  const databases = request.databases.map((database): DatabaseTarget => {
    const path = place("database", database.name, database.path, source?.databases ?? []);
    return { kind: "database", name: database.name, path, database };
  });
  const folders = request.roots.map((root): FolderTarget => {
    const path = place("folder", root.name, root.path, source?.folders ?? []);
    return { kind: "folder", name: root.name, path };
  });
  const targets = [...databases, ...folders];
  checkDistinct(targets);
  return { targets, warnings };
}

interface Place {
  readonly name: string;
  readonly path: string;
}

function configuredSource(
  backup: Backup,
  named: string | undefined,
  sources: readonly Source[],
): Source | undefined {
  if (backup.source !== "") return sources.find((source) => source.name === backup.source);
  return named === undefined ? only(sources) : sources.find((source) => source.name === named);
}

function only<T>(items: readonly T[]): T | undefined {
  return items.length === 1 ? items[0] : undefined;
}

/** Names come from the vault, and whoever can write there could name a path with them. */
function checkedName(name: string): string {
  if (name === "" || name === "." || name === ".." || /[/\0]/.test(name)) {
    throw new BackupError("unsafe", `Cannot restore ${JSON.stringify(name)}: it is no file name`);
  }
  return name;
}

function checkedPath(path: string): string {
  if (!path.startsWith("/") || path.includes("\0")) {
    throw new BackupError("unsafe", `Cannot restore to ${JSON.stringify(path)}: it is no absolute path`, {
      hint: "Restore into a folder with --target.",
    });
  }
  return resolve(path);
}

function nowhere(kind: string, name: string): BackupError {
  return new BackupError("invalid-input", `Cannot restore ${kind} ${name}: nothing says where it belongs`, {
    hint: "Give --target, or name the source it belongs to if that has exactly one of the kind.",
  });
}

function checkDistinct(targets: readonly RestoreTarget[]): void {
  const seen = new Map<string, RestoreTarget>();
  for (const target of targets) {
    const other = seen.get(target.path);
    if (other !== undefined) {
      throw new BackupError(
        "invalid-input",
        `Cannot restore ${other.kind} ${other.name} and ${target.kind} ${target.name}: both go to ${target.path}`,
        { hint: "Restore them one after the other with --only or --include." },
      );
    }
    seen.set(target.path, target);
  }
}
