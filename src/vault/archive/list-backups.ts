/**
 * Lists the backups of a vault: one read per backup, the parts of full backups
 * not read at all. Runs beside creates and removals without a lock.
 *
 * @module
 */

import type { Backup } from "../../domain/backup.ts";
import { backupId, compareIds } from "../../format/archive/file-names.ts";
import type { BackupMetadata } from "../../format/archive/metadata.ts";
import type { Storage } from "../../storage/storage.ts";
import { type BackupGroup, groupObjects, isRestorable, listGroups, listObjects } from "./backup-groups.ts";
import { boundedMap } from "../bounded-map.ts";
import { withRecords } from "../recorded-facts.ts";
import { describeForeign, describeOurs, describeUnreadable, withDamage } from "./describe-backup.ts";
import { type LoadedMetadata, loadMetadata, whyUnreadable } from "./load-metadata.ts";
import { missingFile } from "./missing-file.ts";
import { factsOf, indexRecords } from "./recorded-facts.ts";
import { reservedIds } from "./locks/run-document.ts";
import { readRuns } from "./bytes/runs.ts";

/** A backup, and whether its metadata says that files are missing from it. */
interface Described {
  readonly backup: Backup;
  readonly incomplete: boolean;
}

/** Something that looks like a backup without a name of its own: a file of others, or of a run that is under way. */
interface Candidate {
  readonly group: BackupGroup;
  readonly described: Described;
  /** The document that would make it a part of a backup. */
  readonly namedBy: string;
}

/** Every visible backup, newest first by the time in its metadata. */
export async function listBackups(storage: Storage, signal: AbortSignal): Promise<readonly Backup[]> {
  signal.throwIfAborted();
  const [objects, records] = await Promise.all([listObjects(storage, signal), indexRecords(storage, signal)]);
  const sizes = new Map(objects.map((object) => [object.name, object.sizeBytes]));
  const found: Described[] = [];
  const candidates: Candidate[] = [];
  const parts = new Set<string>();
  const sort = async (group: BackupGroup): Promise<void> => {
    const loaded = group.metadata && (await loadMetadata(storage, group.id, signal));
    // A name that was there and is gone now was removed meanwhile, its bytes with it.
    if (loaded === undefined && group.metadata !== undefined) return;
    const sorted = sortGroup(group, loaded, parts);
    if (sorted === undefined) return;
    if ("namedBy" in sorted) candidates.push(sorted);
    else found.push(await withMissing(storage, sorted, sizes, signal));
  };
  const all = [...groupObjects(objects).values()];
  await boundedMap(
    all.filter((group) => group.type === "full"),
    sort,
    signal,
  );
  await boundedMap(
    all.filter((group) => group.type !== "full" && !parts.has(group.id)),
    sort,
    signal,
  );
  found.push(...(await confirmCandidates(storage, candidates, signal)));
  const backups = await boundedMap(
    found,
    async ({ backup, incomplete }) =>
      withRecords(backup, incomplete, await factsOf(storage, records.get(backup.id) ?? [], signal)),
    signal,
  );
  return backups.sort((a, b) => b.startedAtMs - a.startedAtMs || compareIds(b.id, a.id));
}

/** What a group is. Adds the parts that a full backup names to `parts`. */
function sortGroup(
  group: BackupGroup,
  loaded: LoadedMetadata | undefined,
  parts: Set<string>,
): Described | Candidate | undefined {
  const parsed = loaded?.parsed ?? { outcome: "foreign" };
  const sizeBytes = loaded?.sizeBytes ?? 0;
  if (parsed.outcome === "ours") {
    for (const part of parsed.metadata.parts) parts.add(part);
    return sortOurs(group, parsed.metadata, sizeBytes);
  }
  if (parsed.outcome === "foreign") {
    if (!isRestorable(group)) return undefined;
    const described = { backup: describeForeign(group), incomplete: false };
    return { group, described, namedBy: group.id };
  }
  // The parts of a full backup that cannot be read are still its parts.
  if (group.type === "full") {
    parts.add(backupId("database", group.stamp)).add(backupId("storage", group.stamp));
  }
  return {
    backup: describeUnreadable(group.id, whyUnreadable(group.id, parsed), sizeBytes),
    incomplete: false,
  };
}

function sortOurs(group: BackupGroup, metadata: BackupMetadata, sizeBytes: number): Described | Candidate {
  const described = { backup: describeOurs(metadata, sizeBytes), incomplete: metadata.incomplete };
  if (metadata.partOf === undefined) return described;
  const reason = `the metadata of ${metadata.partOf}, which it is a part of, is missing`;
  const backup = { ...withDamage(described.backup, reason), neverRemoved: true };
  return { group, described: { ...described, backup }, namedBy: metadata.partOf };
}

async function withMissing(
  storage: Storage,
  described: Described,
  sizes: ReadonlyMap<string, number>,
  signal: AbortSignal,
): Promise<Described> {
  const missing = await missingFile(storage, described.backup, sizes, signal);
  return missing === "" ? described : { ...described, backup: withDamage(described.backup, missing) };
}

/**
 * Leaves out what belongs to a run. In this order: a run that put an object which was listed has
 * said so before (I8); if it is not among the runs any more, it has finished, and then its
 * metadata is there on the second look, or it was undone, and then the object is not.
 */
async function confirmCandidates(
  storage: Storage,
  candidates: readonly Candidate[],
  signal: AbortSignal,
): Promise<readonly Described[]> {
  if (candidates.length === 0) return [];
  const runs = await readRuns(storage, signal);
  const reserved = new Set(runs.flatMap((run) => reservedIds(run.base, run.document)));
  const unreserved = candidates.filter(
    ({ group }) => !reserved.has(group.id) && !reserved.has(backupId("full", group.stamp)),
  );
  if (unreserved.length === 0) return [];
  const now = await listGroups(storage, signal);
  return unreserved
    .filter(({ group, namedBy }) => {
      const later = now.get(group.id);
      if (later === undefined || later.data.length < group.data.length) return false;
      const isNamedNow = now.get(namedBy)?.metadata !== undefined;
      return namedBy === group.id ? isNamedNow === (group.metadata !== undefined) : !isNamedNow;
    })
    .map(({ described }) => described);
}
