/**
 * The objects of a vault, sorted by the backup their names belong to. Pure, but
 * for the listing itself.
 *
 * @module
 */

import type { BackupType } from "../../domain/backup.ts";
import {
  backupFolders,
  backupId,
  type ObjectName,
  parseObjectName,
} from "../../format/archive/file-names.ts";
import type { Storage, StoredObject } from "../../storage/storage.ts";

/** An object that holds a backup's bytes. */
interface DataObject extends StoredObject {
  readonly role: ObjectName["role"];
  readonly label: string;
}

/** Everything whose name has one type and stamp; of a full backup its own metadata only, the parts are groups of their own. */
export interface BackupGroup {
  readonly id: string;
  readonly type: BackupType;
  readonly stamp: string;
  readonly metadata: StoredObject | undefined;
  /** In the order of their names. */
  readonly data: readonly DataObject[];
}

export type BackupGroups = ReadonlyMap<string, BackupGroup>;

/** Lists all objects that are, or could be, parts of backups, and some that are not. */
export async function listObjects(storage: Storage, signal: AbortSignal): Promise<readonly StoredObject[]> {
  const objects = await Promise.all(
    backupFolders.map((folder) => Array.fromAsync(storage.list(folder, signal))),
  );
  return objects.flat();
}

/** The same, sorted. */
export async function listGroups(storage: Storage, signal: AbortSignal): Promise<BackupGroups> {
  return groupObjects(await listObjects(storage, signal));
}

export function groupObjects(objects: Iterable<StoredObject>): BackupGroups {
  const groups = new Map<
    string,
    { -readonly [K in keyof BackupGroup]: BackupGroup[K] } & { data: DataObject[] }
  >();
  for (const object of objects) {
    const parsed = parseObjectName(object.name);
    if (parsed === undefined) continue;
    const id = backupId(parsed.type, parsed.stamp);
    let group = groups.get(id);
    if (group === undefined) {
      group = { id, type: parsed.type, stamp: parsed.stamp, metadata: undefined, data: [] };
      groups.set(id, group);
    }
    if (parsed.role === "metadata") group.metadata = object;
    else {
      const { name, sizeBytes, modifiedAtMs } = object;
      // Written out: with thousands of objects, spreading them is what takes longest here.
      group.data.push({ name, sizeBytes, modifiedAtMs, role: parsed.role, label: parsed.label });
    }
  }
  for (const group of groups.values()) group.data.sort((a, b) => (a.name < b.name ? -1 : 1));
  return groups;
}

/**
 * Could the Python original have written this? It made one `.db` or one `.tar.gz`. A contents
 * file without its archive, for one, is none of its.
 */
export function isRestorable(group: BackupGroup): boolean {
  return group.data.some((object) => object.role === "database" || object.role === "archive");
}
