/**
 * Lists the backups of a repository: one small read a snapshot, several at once, and
 * the names of all records. The index and the trees are left alone, but for ours that
 * restic has rewritten.
 *
 * @module
 */

import type { Backup } from "../../domain/backup.ts";
import { boundedMap } from "../bounded-map.ts";
import { factsOf, recordsByBackup, withRecords } from "../recorded-facts.ts";
import { type DescribedBackup, describeUnreadable } from "./describe-backup.ts";
import { describeFound, openReading } from "./find-snapshot.ts";
import { backupIds, loadSnapshots } from "./maintenance/load-snapshots.ts";
import type { RepositoryReading } from "./read/open-snapshot.ts";
import { listRecordNames, readRecord } from "./records.ts";
import type { Repository } from "./repository.ts";

/** Every backup, restic's own snapshots too, newest first. */
export async function listBackups(repo: Repository, signal: AbortSignal): Promise<readonly Backup[]> {
  signal.throwIfAborted();
  const { snapshots, damaged } = await loadSnapshots(repo, signal);
  const ids = backupIds(snapshots);
  // Opened once for all that need it, after the snapshots were listed.
  let reading: Promise<RepositoryReading> | undefined;
  const open = (): Promise<RepositoryReading> => {
    reading ??= openReading(repo, "kept", signal);
    return reading;
  };
  try {
    const described: DescribedBackup[] = [];
    for (const { id, document } of snapshots) {
      const found = { backupId: ids.get(id) ?? id, snapshotId: id, document };
      described.push(await describeFound(open, found, signal));
    }
    const readable = new Set(ids.values());
    for (const { id, error } of damaged) {
      // Another has its place, and is what reads get. `check` still names the file.
      if (readable.has(id)) continue;
      described.push({ backup: describeUnreadable(id, error.message), manifest: undefined });
    }
    const backups = await addRecords(repo, described, signal);
    return backups.toSorted((a, b) => b.startedAtMs - a.startedAtMs || (a.id < b.id ? 1 : -1));
  } finally {
    await (await reading)?.[Symbol.asyncDispose]();
  }
}

/** The same backups as the records beside them leave them. */
export async function addRecords(
  repo: Repository,
  described: readonly DescribedBackup[],
  signal: AbortSignal,
): Promise<readonly Backup[]> {
  const records = recordsByBackup(await listRecordNames(repo, signal));
  return await boundedMap(
    described,
    async ({ backup, manifest }) => {
      const named = records.get(backup.id);
      if (named === undefined) return backup;
      const facts = await factsOf(named, (name) => readRecord(repo, name, signal));
      return withRecords(backup, manifest?.incomplete ?? false, facts);
    },
    signal,
  );
}
