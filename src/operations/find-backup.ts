/**
 * Finds the backup that a caller names: by id, as `latest`, or by the path of a
 * file. Paths are looked up here; what names mean is in `domain/backup-reference.ts`.
 *
 * @module
 */

import { realpath } from "node:fs/promises";
import { relative, sep } from "node:path";
import type { Backup } from "../domain/backup.ts";
import {
  findBackup,
  findByFileName,
  isPathReference,
  type ReferenceScope,
} from "../domain/backup-reference.ts";
import { BackupError } from "../domain/error.ts";
import { checkValue, text } from "../domain/option-rule.ts";
import type { OperationContext } from "./context.ts";

/**
 * What a reference names.
 * - `stored`: a backup of the vault; `only` is set where a path named just one part of a full one
 * - `loose`: an existing file outside the vault, by its absolute path
 */
export type FoundBackup =
  | { readonly found: "stored"; readonly backup: Backup; readonly only?: "database" | "storage" }
  | { readonly found: "loose"; readonly path: string };

/** @throws {BackupError} `not-found`; `invalid-input` if the reference fits several backups */
export async function resolveReference(
  context: OperationContext,
  reference: string,
  scope: ReferenceScope & { readonly signal: AbortSignal },
): Promise<FoundBackup> {
  checkValue(reference, "the name of a backup", text);
  if (!isPathReference(reference)) {
    const backups = await context.vault.list(scope.signal);
    // Here, so that `latest` means the same to every operation.
    const [only, another] = context.sources;
    const configuredSource = another === undefined ? only?.name : undefined;
    const nowMs = context.clock.now();
    return { found: "stored", backup: findBackup(backups, reference, { ...scope, configuredSource, nowMs }) };
  }
  const path = await existingPath(reference);
  const name = await nameInVault(context, path);
  if (name === undefined) return { found: "loose", path };
  const match = findByFileName(await context.vault.list(scope.signal), name);
  if (match === undefined) {
    throw new BackupError(
      "not-found",
      `Cannot find a backup of ${path}: the vault knows no backup with this file`,
    );
  }
  const only = match.backup.type === "full" ? partOf(name) : undefined;
  return { found: "stored", backup: match.backup, ...(only === undefined ? {} : { only }) };
}

/**
 * As {@link resolveReference}, for operations that only work on backups of the vault.
 *
 * @throws {BackupError} also `not-found` for a file outside the vault
 */
export async function findStoredBackup(
  context: OperationContext,
  reference: string,
  scope: ReferenceScope & { readonly signal: AbortSignal },
): Promise<Backup> {
  const found = await resolveReference(context, reference, scope);
  if (found.found === "stored") return found.backup;
  throw new BackupError(
    "not-found",
    `Cannot find ${found.path}: it does not lie in ${context.vault.location}`,
    {
      hint: "Only restore takes files from outside the vault.",
    },
  );
}

async function existingPath(reference: string): Promise<string> {
  try {
    return await realpath(reference);
  } catch (error) {
    throw noSuchFile(reference, error);
  }
}

function noSuchFile(reference: string, cause: unknown): BackupError {
  return new BackupError("not-found", `Cannot find backup "${reference}": no such file`, {
    cause,
    hint: "Give the id of a backup as the list shows it, or the path of an existing file.",
  });
}

async function nameInVault(context: OperationContext, path: string): Promise<string | undefined> {
  if (context.vaultDirectory === undefined) return undefined;
  const inside = relative(await realpath(context.vaultDirectory), path);
  return inside === "" || inside.startsWith("..") ? undefined : inside.split(sep).join("/");
}

function partOf(name: string): "database" | "storage" | undefined {
  const folder = name.slice(0, name.indexOf("/"));
  return folder === "database" || folder === "storage" ? folder : undefined;
}
