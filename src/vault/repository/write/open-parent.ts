/**
 * Opens the backup that unchanged files are settled against. Without one, or with one
 * that cannot be read, everything is read: that is slower, never wrong.
 *
 * @module
 */

import type { EntryRoot } from "../../../domain/entry.ts";
import { isBackupError } from "../../../domain/error.ts";
import type { ObjectId } from "../../../format/restic/model.ts";
import type { BlobIndex } from "../blob-index.ts";
import { describeFound, findSnapshot, type FoundSnapshot } from "../find-snapshot.ts";
import { RepositoryReading } from "../read/open-snapshot.ts";
import { componentsOf, resolvePath } from "../read/resolve-path.ts";
import type { Repository } from "../repository.ts";
import { type ParentRoot, Settler } from "./settle.ts";

export interface Parent extends AsyncDisposable {
  readonly snapshotId: ObjectId;
  readonly settler: Settler;
}

/** The snapshot of a backup; undefined where it is gone or cannot be read. Call before the index is loaded. */
export async function findParent(
  repo: Repository,
  id: string | undefined,
  warn: (message: string) => void,
  signal: AbortSignal,
): Promise<FoundSnapshot | undefined> {
  if (id === undefined) return undefined;
  try {
    return await findSnapshot(repo, id, signal);
  } catch (error) {
    if (!isBackupError(error, "damaged", "not-found")) throw error;
    if (error.kind === "damaged")
      warn(`The backup before cannot be read, so all is read anew: ${error.message}`);
    return undefined;
  }
}

/** Prepares to settle against a snapshot; undefined where it holds none of the roots. */
export async function openParent(
  repo: Repository,
  index: BlobIndex,
  options: {
    readonly found: FoundSnapshot;
    readonly roots: readonly EntryRoot[];
    readonly warn: (message: string) => void;
  },
  signal: AbortSignal,
): Promise<Parent | undefined> {
  const { found, roots, warn } = options;
  const reading = new RepositoryReading(repo, index);
  try {
    const parentRoots = await findRoots(reading, found, roots, signal);
    return {
      snapshotId: found.snapshotId,
      settler: new Settler(reading.trees, index, parentRoots, warn),
      [Symbol.asyncDispose]: () => reading[Symbol.asyncDispose](),
    };
  } catch (error) {
    await reading[Symbol.asyncDispose]();
    if (!isBackupError(error, "damaged", "not-found")) throw error;
    warn(`The backup before cannot be read, so all is read anew: ${error.message}`);
    return undefined;
  }
}

/** Roots of the same name and folder. */
async function findRoots(
  reading: RepositoryReading,
  found: FoundSnapshot,
  wanted: readonly EntryRoot[],
  signal: AbortSignal,
): Promise<readonly ParentRoot[]> {
  const { manifest } = await describeFound(async () => reading, found, signal);
  // What a copy holds under a file's name may not be what was in that file, as of a captured image.
  if (manifest?.copiedFrom !== undefined) return [];
  const roots: ParentRoot[] = [];
  for (const { name, path, treePath } of manifest?.roots ?? []) {
    if (!wanted.some((root) => root.name === name && root.path === path)) continue;
    const components = componentsOf(treePath);
    const node = await resolvePath(reading.trees, found.document.tree, components, name, signal);
    roots.push({ name, path, subtree: node?.subtree });
  }
  return roots;
}
