/**
 * Finds what lies at a path of a backup's tree.
 *
 * @module
 */

import { type ByteString, byteStringFromText, byteStringToDisplay } from "../../../domain/byte-string.ts";
import type { ObjectId, TreeNode } from "../../../format/restic/model.ts";
import type { TreeSource } from "./tree-source.ts";

/** The components of an absolute path, "/" having none. */
export function componentsOf(path: string): readonly ByteString[] {
  return path
    .split("/")
    .filter((component) => component !== "")
    .map(byteStringFromText);
}

/**
 * The node at `components` below a tree; undefined where there is none.
 *
 * @param name Of the tree, for messages
 * @throws {BackupError} `damaged` if a tree on the way cannot be read
 */
export async function resolvePath(
  source: TreeSource,
  tree: ObjectId,
  components: readonly ByteString[],
  name: string,
  signal: AbortSignal,
): Promise<TreeNode | undefined> {
  let at: ObjectId | undefined = tree;
  let node: TreeNode | undefined;
  for (const [depth, component] of components.entries()) {
    if (at === undefined) return undefined;
    const reading = (): string =>
      [name, ...components.slice(0, depth).map(byteStringToDisplay)].filter(Boolean).join("/") || "/";
    const nodes: readonly TreeNode[] = await source.load(at, reading, signal);
    node = findNode(nodes, component);
    at = node?.type === "dir" ? node.subtree : undefined;
    if (node === undefined) return undefined;
  }
  return node;
}

/** Nodes are in the order of their names. */
function findNode(nodes: readonly TreeNode[], name: ByteString): TreeNode | undefined {
  let low = 0;
  let high = nodes.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const node = nodes[middle];
    if (node === undefined || node.name === name) return node;
    if (node.name < name) low = middle + 1;
    else high = middle - 1;
  }
  return undefined;
}
