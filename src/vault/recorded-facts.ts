/**
 * What the records of a vault say about its backups, whatever its format: which of
 * them count, and what they change. Only the few whose text is shown are read.
 *
 * @module
 */

import type { Backup } from "../domain/backup.ts";
import { isoWithOffset } from "../domain/clock.ts";
import type { RecordKind, VaultRecord } from "./vault.ts";

/** What a record's name says. */
export interface RecordName {
  /** The object, which is also the record's id. */
  readonly name: string;
  readonly kind: RecordKind;
  readonly backupId: string | undefined;
  readonly atMs: number;
}

/** The names of all records, by backup. */
export type RecordIndex = ReadonlyMap<string, readonly RecordName[]>;

/** What the records say of one backup. */
export interface RecordedFacts {
  readonly pinned: boolean;
  /** ISO time of the last successful verification. */
  readonly verifiedAt: string | undefined;
  /** Present if the last verification found damage. */
  readonly damaged: VaultRecord | undefined;
  /** Present if somebody confirmed it. */
  readonly confirmed: VaultRecord | undefined;
}

/** Those that belong to a backup. */
export function recordsByBackup(names: readonly RecordName[]): RecordIndex {
  const index = new Map<string, RecordName[]>();
  for (const record of names) {
    if (record.backupId === undefined) continue;
    const list = index.get(record.backupId);
    if (list === undefined) index.set(record.backupId, [record]);
    else list.push(record);
  }
  return index;
}

/** Reads what `list` shows of a record's text: why a backup is damaged, and who confirmed one. */
export async function factsOf(
  records: readonly RecordName[],
  readRecord: (name: RecordName) => Promise<VaultRecord>,
): Promise<RecordedFacts> {
  const verified = latest(records, "verified");
  const damaged = latest(records, "damaged");
  const confirmed = latest(records, "confirmed");
  // Only what was found last counts: a damaged file may have been put back from a copy.
  const isDamaged = damaged !== undefined && damaged.atMs >= (verified?.atMs ?? 0);
  const read = async (name: RecordName | undefined): Promise<VaultRecord | undefined> =>
    name === undefined ? undefined : await readRecord(name);
  return {
    pinned: latest(records, "pinned") !== undefined,
    verifiedAt: verified === undefined ? undefined : isoWithOffset(verified.atMs),
    damaged: isDamaged ? await read(damaged) : undefined,
    confirmed: await read(confirmed),
  };
}

function latest(records: readonly RecordName[], kind: RecordKind): RecordName | undefined {
  let found: RecordName | undefined;
  for (const record of records) {
    if (record.kind === kind && (found === undefined || record.atMs > found.atMs)) found = record;
  }
  return found;
}

/**
 * The same backup as the records leave it. A suspect one that was confirmed is good, or
 * incomplete where files are missing, and its reason tells who said so.
 *
 * @param incomplete As the metadata has it
 */
export function withRecords(backup: Backup, incomplete: boolean, facts: RecordedFacts): Backup {
  let { state, stateReason } = backup;
  if (state === "suspect" && facts.confirmed !== undefined) {
    state = incomplete ? "incomplete" : "good";
    stateReason = `confirmed ${facts.confirmed.at}${by(facts.confirmed)}; it was suspect because ${stateReason}`;
  }
  if (facts.damaged !== undefined && state !== "damaged") {
    state = "damaged";
    stateReason = facts.damaged.message || `verification found damage ${facts.damaged.at}`;
  }
  const { verifiedAt } = facts;
  const { suspect, ...rest } = backup;
  return {
    ...rest,
    ...(suspect === true && facts.confirmed === undefined ? { suspect } : {}),
    state,
    stateReason,
    pinned: facts.pinned,
    ...(verifiedAt === undefined ? {} : { verifiedAt }),
  };
}

function by(record: VaultRecord): string {
  const text = [record.host && `on ${record.host}`, record.message && `(${record.message})`];
  return text.map((part) => (part === "" ? "" : ` ${part}`)).join("");
}

/** The records that are wanted, oldest first. */
export function chooseRecords(
  names: readonly RecordName[],
  wanted: { readonly backupId?: string; readonly kind?: RecordKind },
): readonly RecordName[] {
  return names
    .filter(
      ({ backupId, kind }) =>
        (wanted.backupId === undefined || backupId === wanted.backupId) &&
        (wanted.kind === undefined || kind === wanted.kind),
    )
    .toSorted((a, b) => a.atMs - b.atMs || (a.name < b.name ? -1 : 1));
}
