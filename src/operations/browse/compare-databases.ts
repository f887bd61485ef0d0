/**
 * The declared databases of two backups, compared.
 *
 * @module
 */

import type { BackupDatabase } from "../../domain/backup.ts";
import type { Started } from "../requests.ts";
import type { CompareRequest, DifferingField, EntryDifference } from "./browse-requests.ts";
import type { ComparedReaders } from "./compare-backups.ts";
import { sameStreams } from "./compare-bytes.ts";
import { differenceOf } from "./compare-entries.ts";
import { describeDatabase } from "./describe-entry.ts";

/** Differences in the order of the first backup, then what only the second has. */
export async function* compareDatabases(
  readers: ComparedReaders,
  request: Started<CompareRequest>,
): AsyncGenerator<EntryDifference> {
  const [before, after] = [readers.before.backup, readers.after.backup];
  for (const database of before.databases) {
    const same = after.databases.find(({ name }) => name === database.name);
    if (same === undefined) yield differenceOf({ before: describeDatabase(before, database) }, []);
    else {
      const differs = await fieldsOf(readers, database, same, request);
      const sides = { before: describeDatabase(before, database), after: describeDatabase(after, same) };
      if (differs.length > 0) yield differenceOf(sides, differs);
    }
  }
  for (const database of after.databases) {
    if (before.databases.some(({ name }) => name === database.name)) continue;
    yield differenceOf({ after: describeDatabase(after, database) }, []);
  }
}

async function fieldsOf(
  readers: ComparedReaders,
  before: BackupDatabase,
  after: BackupDatabase,
  request: Started<CompareRequest>,
): Promise<readonly DifferingField[]> {
  return [
    ...((await isSameImage(readers, before, after, request)) ? [] : (["content"] as const)),
    ...(before.mode === after.mode ? [] : (["mode"] as const)),
    ...(before.uid === after.uid && before.gid === after.gid ? [] : (["owner"] as const)),
  ];
}

/** A repository keeps no hash of a whole image: then it is read, as far as the first byte that differs. */
async function isSameImage(
  readers: ComparedReaders,
  before: BackupDatabase,
  after: BackupDatabase,
  { signal, observer }: Started<CompareRequest>,
): Promise<boolean> {
  if (before.sizeBytes !== after.sizeBytes) return false;
  if (before.sha256 && after.sha256) return before.sha256 === after.sha256;
  observer.progress({ phase: "compare", bytesDone: 0, itemsDone: 0, current: before.name });
  const [left, right] = [readers.before, readers.after].map((reader) =>
    reader.readDatabase(before.name, signal),
  );
  return await sameStreams(left!, right!, signal);
}
