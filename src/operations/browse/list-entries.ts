/**
 * `ls`: what is in a backup, a folder of it, or all below that.
 *
 * @module
 */

import type { BackupReader, EntersFolder } from "../../vault/vault.ts";
import type { OperationContext } from "../context.ts";
import type { Started } from "../requests.ts";
import { type EntryPlace, notInBackup, placeInBackup } from "./backup-path.ts";
import type { BackupEntry, ListEntriesRequest } from "./browse-requests.ts";
import { describeDatabase, describeEntry } from "./describe-entry.ts";
import { openNamedBackup } from "./open-backup.ts";

/**
 * Databases first, then folders in the order they were stored. Of a folder what is in it,
 * of anything else itself.
 *
 * @throws {BackupError} `not-found` for a backup or a path that is not there; `damaged`
 */
export async function* listEntries(
  context: OperationContext,
  request: Started<ListEntriesRequest>,
): AsyncGenerator<BackupEntry> {
  await using reader = await openNamedBackup(context, request.backup, {
    source: request.source,
    type: request.type,
    signal: request.signal,
  });
  const { backup } = reader;
  const place = placeInBackup(backup, request.path);
  if (place.at === "database") yield describeDatabase(backup, place.database);
  else if (place.at === "top") yield* listTop(reader, request);
  else yield* listFolder(reader, place.place, request);
}

async function* listTop(
  reader: BackupReader,
  { recursive, signal }: Started<ListEntriesRequest>,
): AsyncGenerator<BackupEntry> {
  const { backup } = reader;
  for (const database of backup.databases) yield describeDatabase(backup, database);
  for await (const entry of reader.entries(signal, () => recursive === true)) {
    signal.throwIfAborted();
    if (recursive === true || entry.path === "") yield describeEntry(entry);
  }
}

async function* listFolder(
  reader: BackupReader,
  place: EntryPlace,
  request: Started<ListEntriesRequest>,
): AsyncGenerator<BackupEntry> {
  const { recursive, signal } = request;
  let found = false;
  const enters: EntersFolder = (folder) => {
    const relation = place.relation(folder);
    return place.isBelow(folder) || relation === "self" || (recursive === true && relation !== "elsewhere");
  };
  for await (const entry of reader.entries(signal, enters)) {
    signal.throwIfAborted();
    const relation = place.relation(entry);
    if (relation === "elsewhere" && found && isOrdered(reader)) return;
    if (relation === "elsewhere") continue;
    found = true;
    const wanted =
      relation === "self" ? entry.kind !== "directory" : relation === "child" || recursive === true;
    if (wanted) yield describeEntry(entry);
  }
  if (!found) throw notInBackup(reader.backup, request.path ?? "");
}

/** What lies in a folder follows it at once, but in archives that are not ours. */
function isOrdered({ backup }: BackupReader): boolean {
  return backup.state !== "unverified";
}
