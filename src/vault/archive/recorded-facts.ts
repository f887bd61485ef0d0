/**
 * The records of an archive vault, by backup. What they say is `vault/recorded-facts.ts`.
 *
 * @module
 */

import type { Storage } from "../../storage/storage.ts";
import * as recorded from "../recorded-facts.ts";
import { listRecordNames, readRecord } from "./vault-records.ts";

export async function indexRecords(storage: Storage, signal: AbortSignal): Promise<recorded.RecordIndex> {
  return recorded.recordsByBackup(await listRecordNames(storage, signal));
}

/** Reads what `list` shows of a record's text. */
export function factsOf(
  storage: Storage,
  records: readonly recorded.RecordName[],
  signal: AbortSignal,
): Promise<recorded.RecordedFacts> {
  return recorded.factsOf(records, (name) => readRecord(storage, name, signal));
}
