/**
 * Reads what an archive vault keeps beside its backups, for `verify` of the whole
 * vault: the marker, records and the reserve. What is damaged here costs no backup,
 * and none is judged by it; it is named because no byte may change unnoticed.
 *
 * @module
 */

import { isBackupError } from "../../domain/error.ts";
import type { Storage } from "../../storage/storage.ts";
import { boundedMap } from "../bounded-map.ts";
import { isInputFailure } from "../unreadable-file.ts";
import type { Damage } from "../vault.ts";
import { findDamagedPieces } from "./reserve.ts";
import { lacksMarker, markerName, markerRemedy } from "./vault-marker.ts";
import { checkRecord, listRecordNames } from "./vault-records.ts";
import type { RecordName } from "../recorded-facts.ts";

/** What is wrong beside the backups. A record that is gone is not missed: nothing says that it was there. */
export async function checkBeside(storage: Storage, signal: AbortSignal): Promise<readonly Damage[]> {
  return [
    ...((await lacksMarker(storage, signal))
      ? [{ object: markerName, message: `it is missing; ${markerRemedy}` }]
      : []),
    ...(await checkRecords(storage, signal)),
    ...(await findDamagedPieces(storage, signal)),
  ];
}

async function checkRecords(storage: Storage, signal: AbortSignal): Promise<readonly Damage[]> {
  const damages: Damage[] = [];
  const checkOne = async (record: RecordName): Promise<void> => {
    try {
      const flaw = await checkRecord(storage, record, signal);
      if (flaw !== "")
        damages.push({ object: record.name, message: `its text is damaged (${flaw}); ${stateOf(record)}` });
    } catch (error) {
      if (isInputFailure(error))
        damages.push({ object: record.name, message: `${error.message}; ${stateOf(record)}` });
      // One that was removed meanwhile says nothing any more.
      else if (!isBackupError(error, "not-found")) throw error;
    }
  };
  await boundedMap(await listRecordNames(storage, signal), checkOne, signal);
  return damages.sort((a, b) => (a.object < b.object ? -1 : 1));
}

/** What its name still says, and how the record is mended. */
function stateOf({ kind, backupId = "the backup" }: RecordName): string {
  if (kind === "pinned") return `${backupId} stays pinned, and unpin and then pin write the record anew`;
  if (kind === "confirmed")
    return `${backupId} stays confirmed; delete the file, and then confirm the backup again`;
  if (kind === "failed") return "it told of a run that made no backup, and may be deleted";
  return `what verify finds of ${backupId} takes its place`;
}
