/**
 * Finds one backup by its id and says everything about it, as `list` would.
 *
 * @module
 */

import type { Backup } from "../../domain/backup.ts";
import { BackupError } from "../../domain/error.ts";
import { backupId, type BackupName, metadataName, parseBackupId } from "../../format/archive/file-names.ts";
import type { BackupMetadata } from "../../format/archive/metadata.ts";
import type { Storage } from "../../storage/storage.ts";
import { groupObjects, isRestorable } from "./backup-groups.ts";
import { describeForeign, describeOurs, withDamage } from "./describe-backup.ts";
import { loadMetadata, whyUnreadable } from "./load-metadata.ts";
import { missingFile } from "./missing-file.ts";
import { withRecords } from "../recorded-facts.ts";
import { factsOf, indexRecords } from "./recorded-facts.ts";
import { reservedIds } from "./locks/run-document.ts";
import { readRuns } from "./bytes/runs.ts";

/** `metadata` is absent for files that are not ours. */
export interface LoadedBackup {
  readonly backup: Backup;
  readonly metadata: BackupMetadata | undefined;
}

/** @throws {BackupError} `not-found`; `damaged` if its metadata is unreadable; `unsupported` if a newer version made it */
export async function loadBackup(storage: Storage, id: string, signal: AbortSignal): Promise<LoadedBackup> {
  const name = parseBackupId(id);
  if (name === undefined) throw noSuchBackup(storage, id);
  const loaded = await loadMetadata(storage, id, signal);
  if (loaded === undefined || loaded.parsed.outcome === "foreign") {
    return { backup: await loadForeign(storage, id, signal), metadata: undefined };
  }
  const { parsed, sizeBytes } = loaded;
  if (parsed.outcome !== "ours") throw unreadable(id, parsed);
  const { metadata } = parsed;
  const whole = metadata.partOf;
  const isOrphan = whole !== undefined && (await storage.stat(metadataName(whole), signal)) === undefined;
  if (isOrphan && (await isReserved(storage, name, signal))) throw noSuchBackup(storage, id);
  let backup = describeOurs(metadata, sizeBytes);
  const missing = await missingFile(storage, backup, new Map(), signal);
  if (missing !== "") backup = withDamage(backup, missing);
  return { backup: await recorded(storage, backup, metadata.incomplete, signal), metadata };
}

async function loadForeign(storage: Storage, id: string, signal: AbortSignal): Promise<Backup> {
  const prefix = metadataName(id).slice(0, -"json".length);
  const group = groupObjects(await Array.fromAsync(storage.list(prefix, signal))).get(id);
  const name = parseBackupId(id);
  if (group === undefined || name === undefined || !isRestorable(group)) throw noSuchBackup(storage, id);
  if (await isReserved(storage, name, signal)) throw noSuchBackup(storage, id);
  // The run that made it may have finished since; then it is not foreign.
  const hadDocument = group.metadata !== undefined;
  const hasDocument = (await storage.stat(metadataName(id), signal)) !== undefined;
  if (hadDocument !== hasDocument) throw noSuchBackup(storage, id);
  return await recorded(storage, describeForeign(group), false, signal);
}

async function isReserved(storage: Storage, name: BackupName, signal: AbortSignal): Promise<boolean> {
  const runs = await readRuns(storage, signal);
  const reserved = runs.flatMap((run) => reservedIds(run.base, run.document));
  return (
    reserved.includes(backupId(name.type, name.stamp)) || reserved.includes(backupId("full", name.stamp))
  );
}

async function recorded(
  storage: Storage,
  backup: Backup,
  incomplete: boolean,
  signal: AbortSignal,
): Promise<Backup> {
  const records = (await indexRecords(storage, signal)).get(backup.id) ?? [];
  return withRecords(backup, incomplete, await factsOf(storage, records, signal));
}

function noSuchBackup(storage: Storage, id: string): BackupError {
  return new BackupError("not-found", `Cannot find backup "${id}" in ${storage.location}: no such backup`, {
    hint: "List the backups to see their ids.",
  });
}

function unreadable(id: string, parsed: Parameters<typeof whyUnreadable>[1]): BackupError {
  const message = `Cannot open ${id}: ${whyUnreadable(id, parsed)}`;
  if (parsed.outcome === "newer") {
    return new BackupError("unsupported", message, { hint: "Upgrade vertex-backup to read it." });
  }
  return new BackupError("damaged", message, {
    hint: "Copy its files out of the vault: restore takes them one by one, by their paths, without checking them.",
  });
}
