/**
 * `pin`, `unpin` and `confirm`: what people say about a backup, kept as records
 * beside it in the vault.
 *
 * @module
 */

import type { Backup } from "../domain/backup.ts";
import { isoWithOffset } from "../domain/clock.ts";
import { BackupError } from "../domain/error.ts";
import type { RecordKind } from "../vault/vault.ts";
import type { OperationContext } from "./context.ts";
import { findStoredBackup } from "./find-backup.ts";
import type { ReferenceOptions, Started } from "./requests.ts";

/** Keeps a backup from rotation. Pinning twice is once. */
export async function pinBackup(
  context: OperationContext,
  reference: string,
  options: Started<ReferenceOptions>,
): Promise<Backup> {
  // I5: no rotation that was planned before may remove it once it counts as pinned.
  await using _held = await context.vault.hold(options.signal);
  const backup = await find(context, reference, options);
  if (backup.pinned) return backup;
  await addRecord(context, backup, { kind: "pinned", message: "" }, options.signal);
  return await find(context, backup.id, options);
}

/** Takes every pin of a backup away. */
export async function unpinBackup(
  context: OperationContext,
  reference: string,
  options: Started<ReferenceOptions>,
): Promise<Backup> {
  const backup = await find(context, reference, options);
  const pins = await context.vault.records.list(options.signal, { kind: "pinned", backupId: backup.id });
  if (pins.length > 0) await context.vault.records.remove(pins, options.signal);
  return await find(context, backup.id, options);
}

/** @throws {BackupError} `invalid-input` if the backup is not suspect */
export async function confirmBackup(
  context: OperationContext,
  reference: string,
  options: Started<ReferenceOptions>,
): Promise<Backup> {
  const backup = await find(context, reference, options);
  if (backup.suspect !== true) {
    throw new BackupError(
      "invalid-input",
      `Cannot confirm ${backup.id}: it is ${backup.state}, not suspect`,
      {
        hint: "Only suspect backups wait for a confirmation.",
      },
    );
  }
  await addRecord(context, backup, { kind: "confirmed", message: backup.stateReason }, options.signal);
  return await find(context, backup.id, options);
}

async function find(
  context: OperationContext,
  reference: string,
  { source, type, signal }: Started<ReferenceOptions>,
): Promise<Backup> {
  // What somebody says about "latest" is meant for the latest, good or not.
  return await findStoredBackup(context, reference, { source, type, preferTrusted: false, signal });
}

async function addRecord(
  context: OperationContext,
  backup: Backup,
  record: { readonly kind: RecordKind; readonly message: string },
  signal: AbortSignal,
): Promise<void> {
  const at = isoWithOffset(context.clock.now());
  const host = context.machine.owner.host;
  await context.vault.records.add({ ...record, backupId: backup.id, at, host }, signal);
}
