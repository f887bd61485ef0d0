/**
 * Where in a snapshot's tree the roots of a backup are. Ours says so in its
 * manifest; of restic's own it follows from the paths it was told to back up.
 *
 * @module
 */

import { asByteString, type ByteString, byteStringFromText } from "../../../domain/byte-string.ts";
import type { EntryRoot } from "../../../domain/entry.ts";
import type { Manifest } from "../../../format/restic/manifest.ts";
import type { SnapshotDocument, TreeNode } from "../../../format/restic/model.ts";
import { foreignRoots } from "../describe-backup.ts";
import { componentsOf, resolvePath } from "./resolve-path.ts";
import type { TreeSource } from "./tree-source.ts";

/** A root, and what in the tree belongs to it. */
export interface TreeRoot extends EntryRoot {
  /** The node it begins with, usually a folder. */
  readonly node: TreeNode;
  /** Whether a path inside it is an entry. */
  readonly wants: (path: ByteString) => boolean;
}

/** The name of a tree as a whole. */
const filesRootName = "files";

/** The roots of a backup of ours. One whose folder was missing has nothing to be read. */
export async function rootsOfManifest(
  source: TreeSource,
  document: SnapshotDocument,
  manifest: Manifest,
  signal: AbortSignal,
): Promise<readonly TreeRoot[]> {
  const roots: TreeRoot[] = [];
  for (const { name, path, treePath } of manifest.roots) {
    const node = await resolvePath(source, document.tree, componentsOf(treePath), "", signal);
    // Declared databases are read by their names: see `BackupReader.readDatabase`.
    const databases = new Set(
      manifest.databases
        .filter((database) => database.treePath.startsWith(`${treePath}/`))
        .map((database) => byteStringFromText(database.treePath.slice(treePath.length + 1))),
    );
    if (node !== undefined) roots.push({ name, path, node, wants: (inside) => !databases.has(inside) });
  }
  return roots;
}

/**
 * The roots of a snapshot of restic's own. Where one of its paths is no folder of the tree (a single
 * file, or a path that was typed relative to another folder), all of it is one root that belongs
 * nowhere: to put `/etc/passwd` back where it was must not replace all of `/etc`.
 */
export async function rootsOfForeign(
  source: TreeSource,
  document: SnapshotDocument,
  signal: AbortSignal,
): Promise<readonly TreeRoot[]> {
  const roots: TreeRoot[] = [];
  for (const root of foreignRoots(document.paths)) {
    const node = await findFolder(source, document, root.path, signal);
    if (node === undefined) return [wholeTree(document)];
    roots.push({ ...root, node, wants: () => true });
  }
  return roots.length > 0 ? roots : [wholeTree(document)];
}

async function findFolder(
  source: TreeSource,
  document: SnapshotDocument,
  path: string,
  signal: AbortSignal,
): Promise<TreeNode | undefined> {
  const components = componentsOf(path);
  if (components.length === 0) return topOf(document);
  const node = await resolvePath(source, document.tree, components, "", signal);
  return node?.type === "dir" ? node : undefined;
}

function wholeTree(document: SnapshotDocument): TreeRoot {
  return { name: filesRootName, path: "", node: topOf(document), wants: () => true };
}

/** The top of a snapshot is a tree without a node: it gets what a folder usually has. */
function topOf({ tree, timeMs, uid, gid }: SnapshotDocument): TreeNode {
  const timeNs = BigInt(timeMs) * 1_000_000n;
  return {
    name: asByteString(""),
    type: "dir",
    mode: 0o755,
    mtimeNs: timeNs,
    atimeNs: timeNs,
    ctimeNs: timeNs,
    uid,
    gid,
    user: "",
    group: "",
    inode: 0n,
    deviceId: 0n,
    links: 0,
    sizeBytes: 0,
    subtree: tree,
  };
}
