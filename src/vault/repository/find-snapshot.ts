/**
 * Finds the snapshot of a backup and says everything about it that its manifest
 * or restic's fields do.
 *
 * @module
 */

import { BackupError, isBackupError } from "../../domain/error.ts";
import {
  type Manifest,
  manifestBytesMax,
  manifestFileName,
  ownFolderName,
} from "../../format/restic/manifest.ts";
import { type ParsedManifest, parseManifest } from "../../format/restic/manifest-parse.ts";
import type { ObjectId, SnapshotDocument, TreeNode } from "../../format/restic/model.ts";
import { parseSnapshot } from "../../format/restic/snapshot.ts";
import {
  type DescribedBackup,
  describeSnapshot,
  manifestInSnapshot,
  mayHaveManifest,
} from "./describe-backup.ts";
import { failureOfFile } from "./input-failure.ts";
import { loadSharedIndex } from "./load-index.ts";
import { backupIds, loadSnapshots } from "./maintenance/load-snapshots.ts";
import { isObjectId, loadObject } from "./objects.ts";
import { RepositoryReading } from "./read/open-snapshot.ts";
import { readNode } from "./read/read-node.ts";
import { componentsOf, resolvePath } from "./read/resolve-path.ts";
import { KeptTrees } from "./read/tree-source.ts";
import type { Repository } from "./repository.ts";

/** A snapshot by the id of its backup. */
export interface FoundSnapshot {
  readonly backupId: string;
  /** Name of its file. */
  readonly snapshotId: ObjectId;
  readonly document: SnapshotDocument;
}

/** @throws {BackupError} `not-found`; `damaged` if the snapshot's file cannot be read, and no other has its place */
export async function findSnapshot(
  repo: Repository,
  id: string,
  signal: AbortSignal,
): Promise<FoundSnapshot> {
  if (!isObjectId(id)) throw noSuchBackup(repo, id);
  let failure: BackupError | undefined;
  try {
    const document = parseSnapshot(await loadObject(repo, "snapshots", id, signal));
    // A snapshot that was never rewritten has its own id, which nobody else can: the usual answer.
    if (document.original === undefined) return { backupId: id, snapshotId: id, document };
  } catch (error) {
    // One that was copied back, or written anew, may have the place of a file that cannot be read.
    if (!isBackupError(error, "not-found")) failure = await failureOfFile(repo.storage, error, signal);
  }
  const { snapshots } = await loadSnapshots(repo, signal);
  const ids = backupIds(snapshots);
  const found = snapshots.find((snapshot) => ids.get(snapshot.id) === id);
  if (found === undefined) throw failure ?? noSuchBackup(repo, id);
  return { backupId: id, snapshotId: found.id, document: found.document };
}

/**
 * Opens the repository for reads. Call it after the snapshot was found, so that the index knows what it names.
 *
 * @param trees `kept`: those that this process has read before are not read again
 */
export async function openReading(
  repo: Repository,
  trees: "kept" | "read-again",
  signal: AbortSignal,
): Promise<RepositoryReading> {
  // A damaged index file is no reason to refuse what the others know.
  const { index } = await loadSharedIndex(repo, signal);
  if (trees === "read-again") return new RepositoryReading(repo, index);
  const kept = keptTrees.get(repo.storage) ?? new KeptTrees();
  keptTrees.set(repo.storage, kept);
  return new RepositoryReading(repo, index, kept);
}

/** Trees of each storage that is still in use. */
const keptTrees = new WeakMap<Repository["storage"], KeptTrees>();

/** Describes a snapshot; looks into its tree only where its manifest is not in its own file. */
export async function describeFound(
  reading: () => Promise<RepositoryReading>,
  { backupId, snapshotId, document }: FoundSnapshot,
  signal: AbortSignal,
): Promise<DescribedBackup> {
  let parsed = manifestInSnapshot(document);
  if (parsed === undefined && mayHaveManifest(document)) {
    const opened = await reading();
    parsed = await manifestInTree(opened, document, signal);
    if (parsed?.outcome === "ours" && (await lacksContent(opened, document, parsed.manifest, signal)))
      parsed = { ...parsed, manifest: withContentLost(parsed.manifest) };
  }
  const { backup, manifest } = describeSnapshot(backupId, document, parsed);
  return { backup: snapshotId === backupId ? backup : { ...backup, snapshotId }, manifest };
}

/** Undefined where the tree has none. */
async function manifestInTree(
  reading: RepositoryReading,
  { tree }: SnapshotDocument,
  signal: AbortSignal,
): Promise<ParsedManifest | undefined> {
  try {
    const path = componentsOf(`${ownFolderName}/${manifestFileName}`);
    const node = await resolvePath(reading.trees, tree, path, "", signal);
    if (node?.type !== "file") return undefined;
    if (node.sizeBytes > manifestBytesMax) return { outcome: "damaged", reason: "the manifest is too long" };
    const parts: Uint8Array[] = [];
    for await (const chunk of readNode(reading, node, undefined, manifestFileName, signal)) {
      parts.push(Buffer.from(chunk));
    }
    return parseManifest(Buffer.concat(parts).toString("utf8"));
  } catch (error) {
    if (!isBackupError(error, "damaged")) throw error;
    return { outcome: "damaged", reason: error.message };
  }
}

/**
 * Whether the snapshot no longer holds what was backed up: restic's `rewrite` leaves files out, and its
 * `repair` also parts of files, without a word in the snapshot.
 */
async function lacksContent(
  { trees }: RepositoryReading,
  { tree }: SnapshotDocument,
  { roots, databases }: Manifest,
  signal: AbortSignal,
): Promise<boolean> {
  const nodeAt = (path: string): Promise<TreeNode | undefined> =>
    resolvePath(trees, tree, componentsOf(path), "", signal);
  try {
    for (const root of roots)
      if (root.tree !== undefined && (await nodeAt(root.treePath))?.subtree !== root.tree) return true;
    for (const { treePath, sizeBytes } of databases)
      if ((await nodeAt(treePath))?.sizeBytes !== sizeBytes) return true;
    return false;
  } catch (error) {
    // What cannot be read is for `verify` to tell.
    if (!isBackupError(error, "damaged")) throw error;
    return false;
  }
}

/** I5: it must not count as the newest good one. */
function withContentLost(manifest: Manifest): Manifest {
  const lost = { ...manifest, incomplete: true };
  if (manifest.state !== "good") return lost;
  const stateReason = "another program has changed what it holds since it was made";
  return { ...lost, state: "incomplete", stateReason };
}

function noSuchBackup(repo: Repository, id: string): BackupError {
  const message = `Cannot find backup "${id}" in ${repo.storage.location}: no such backup`;
  return new BackupError("not-found", message, { hint: "List the backups to see their ids." });
}
