/**
 * The guard: tells when a source looks as if it had been lost, so that its backup is
 * marked suspect and rotation waits (I5). Pure; `operations/back-up.ts` gathers the facts.
 *
 * @module
 */

import type { Backup, BackupCounts } from "./backup.ts";

/** What a run saw of its source. */
export interface SourceFacts {
  /** Of each declared database and folder that is not there or could not be read at all, what it is and why, as a clause. */
  readonly missing: readonly string[];
  /** Display paths of those that are empty now and were not in the last trusted backup. */
  readonly empty: readonly string[];
  /** Captured databases: name and size of the image. */
  readonly databases: readonly { readonly name: string; readonly sizeBytes: number }[];
  /** Absolute paths of all databases and folders that were to be backed up. */
  readonly paths: readonly string[];
}

/** A source that lost more than this share since last time is suspect. */
const shrinkLimit = 0.5;

/** One sentence on why the backup is suspect, or an empty text. */
export function suspectReason(
  facts: SourceFacts,
  totals: { readonly counts: BackupCounts; readonly sourceBytes: number },
  last: Pick<Backup, "id" | "counts" | "sourceBytes" | "databases" | "roots"> | undefined,
): string {
  const missing = facts.missing[0];
  if (missing !== undefined) return `${missing}${others(facts.missing.length)}`;
  const empty = facts.empty[0];
  if (empty !== undefined) return `${empty} is empty${others(facts.empty.length)}`;
  if (last === undefined) return "";
  // I5: two apps under one name, as the default name invites, would rotate each other's backups away.
  if (!sharesPath(facts.paths, last)) {
    return `it holds none of the databases and folders of ${last.id}: if they are another app's, give each source a name of its own`;
  }
  for (const database of facts.databases) {
    const before = last.databases.find((other) => other.name === database.name);
    if (before !== undefined && shrank(database.sizeBytes, before.sizeBytes)) {
      return `database ${database.name} shrank from ${before.sizeBytes} to ${database.sizeBytes} bytes`;
    }
  }
  if (shrank(totals.counts.files, last.counts.files)) {
    return `the number of files fell from ${last.counts.files} to ${totals.counts.files}`;
  }
  if (shrank(totals.sourceBytes, last.sourceBytes)) {
    return `the source shrank from ${last.sourceBytes} to ${totals.sourceBytes} bytes`;
  }
  return "";
}

/**
 * The backup a new one is compared with: the newest of its source and type that can be
 * trusted. An incomplete one will do, else a source with one unreadable file had no guard.
 */
export function lastTrusted<
  B extends Pick<Backup, "source" | "type" | "state" | "safety" | "startedAtMs" | "neverRemoved">,
>(backups: readonly B[], source: string, type: Backup["type"]): B | undefined {
  return (
    backups
      .filter((backup) => backup.source === source && backup.type === type && !backup.safety)
      // Another program's may bear the name of this source by chance.
      .filter((backup) => backup.neverRemoved !== true)
      .filter((backup) => backup.state === "good" || backup.state === "incomplete")
      .reduce<B | undefined>(
        (newest, backup) =>
          newest === undefined || backup.startedAtMs > newest.startedAtMs ? backup : newest,
        undefined,
      )
  );
}

/** Docker names a container by the first digits of its id, another one for each run. */
const containerName = /^[0-9a-f]{12}$/;

/**
 * One sentence where the last backup of the same databases and folders was made on another host,
 * or an empty text. What two hosts back up under one name and paths is one source to retention: each
 * would rotate the other's backups away.
 */
export function otherHostWarning(
  paths: readonly string[],
  run: { readonly host: string; readonly source: string },
  last: Pick<Backup, "id" | "host" | "databases" | "roots"> | undefined,
): string {
  const isSame = last === undefined || last.host === "" || last.host === run.host;
  if (isSame || !sharesPath(paths, last)) return "";
  if (containerName.test(last.host) && containerName.test(run.host)) return "";
  return `The last backup of ${run.source}, ${last.id}, was made on ${last.host}, and this one on ${run.host}. If both hosts go on, they share one retention and rotate each other's backups away: give the source another name on one of them, or each host a vault of its own. If the app has moved, all is well`;
}

function sharesPath(
  paths: readonly string[],
  { databases, roots }: Pick<Backup, "databases" | "roots">,
): boolean {
  const before = new Set([...databases, ...roots].map(({ path }) => path));
  return before.size === 0 || paths.some((path) => before.has(path));
}

function shrank(now: number, before: number): boolean {
  return now < before * shrinkLimit;
}

function others(count: number): string {
  return count > 1 ? `, and ${count - 1} more` : "";
}
