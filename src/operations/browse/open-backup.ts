/**
 * Opens the backup a reference names for reading, in the vault or beside it.
 *
 * @module
 */

import type { ReferenceScope } from "../../domain/backup-reference.ts";
import type { BackupReader } from "../../vault/vault.ts";
import type { OperationContext } from "../context.ts";
import { resolveReference } from "../find-backup.ts";

/**
 * The caller disposes of what it gets.
 *
 * @throws {BackupError} `not-found`; `invalid-input` if the reference fits several backups; `damaged`
 */
export async function openNamedBackup(
  context: OperationContext,
  reference: string,
  scope: Omit<ReferenceScope, "preferTrusted"> & { readonly signal: AbortSignal },
): Promise<BackupReader> {
  const found = await resolveReference(context, reference, { ...scope, preferTrusted: false });
  return found.found === "stored"
    ? await context.vault.open(found.backup.id, scope.signal)
    : await context.openLooseFile(found.path, scope.signal);
}
