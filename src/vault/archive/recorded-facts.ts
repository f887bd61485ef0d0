/**
 * What the records of a vault say about its backups, read with as few requests as
 * possible: names say nearly all.
 *
 * @module
 */

import { isoWithOffset } from "../../domain/clock.ts";
import type { Storage } from "../../storage/storage.ts";
import type { VaultRecord } from "../vault.ts";
import type { RecordedFacts } from "./describe-backup.ts";
import { listRecordNames, type RecordName, readRecord } from "./vault-records.ts";

/** The names of all records, by backup. */
export type RecordIndex = ReadonlyMap<string, readonly RecordName[]>;

export async function indexRecords(storage: Storage, signal: AbortSignal): Promise<RecordIndex> {
  const index = new Map<string, RecordName[]>();
  for (const record of await listRecordNames(storage, signal)) {
    if (record.backupId === undefined) continue;
    const list = index.get(record.backupId);
    if (list === undefined) index.set(record.backupId, [record]);
    else list.push(record);
  }
  return index;
}

/** Reads what `list` shows of a record's text: why a backup is damaged, and who confirmed one. */
export async function factsOf(
  storage: Storage,
  records: readonly RecordName[],
  signal: AbortSignal,
): Promise<RecordedFacts> {
  const verified = latest(records, "verified");
  const damaged = latest(records, "damaged");
  const confirmed = latest(records, "confirmed");
  // Only what was found last counts: a damaged file may have been put back from a copy.
  const isDamaged = damaged !== undefined && damaged.atMs >= (verified?.atMs ?? 0);
  const read = async (name: RecordName | undefined): Promise<VaultRecord | undefined> =>
    name === undefined ? undefined : await readRecord(storage, name, signal);
  return {
    pinned: latest(records, "pinned") !== undefined,
    verifiedAt: verified === undefined ? undefined : isoWithOffset(verified.atMs),
    damaged: isDamaged ? await read(damaged) : undefined,
    confirmed: await read(confirmed),
  };
}

function latest(records: readonly RecordName[], kind: RecordName["kind"]): RecordName | undefined {
  let found: RecordName | undefined;
  for (const record of records) {
    if (record.kind === kind && (found === undefined || record.atMs > found.atMs)) found = record;
  }
  return found;
}
