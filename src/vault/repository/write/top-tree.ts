/**
 * The upper part of a backup's tree: the folders above its roots and databases,
 * which were not walked, and our own.
 *
 * @module
 */

import { type ByteString, byteStringFromText } from "../../../domain/byte-string.ts";
import type { ObjectId, TreeNode } from "../../../format/restic/model.ts";
import { encodeNode } from "../../../format/restic/node.ts";
import type { NodeSlot } from "./tree-builder.ts";

interface Folder {
  readonly folders: Map<string, Folder>;
  /** Undefined: taken, but there is nothing after all. */
  readonly leaves: Map<string, TreeNode | undefined>;
}

export interface TopTreeOptions {
  readonly saveTree: (nodeTexts: readonly string[]) => ObjectId;
  /** The node of a folder above the roots, by its absolute path. */
  readonly folderNode: (path: string, name: ByteString) => TreeNode;
}

export class TopTree {
  readonly #top: Folder = emptyFolder();

  /**
   * Takes the place at these components. Undefined where something else is there, or would be in between;
   * else what its node is to be given to.
   */
  take(components: readonly string[]): NodeSlot | undefined {
    let folder = this.#top;
    for (const name of components.slice(0, -1)) {
      if (folder.leaves.has(name)) return undefined;
      let next = folder.folders.get(name);
      if (next === undefined) {
        next = emptyFolder();
        folder.folders.set(name, next);
      }
      folder = next;
    }
    const name = components.at(-1) ?? "";
    if (name === "" || folder.leaves.has(name) || folder.folders.has(name)) return undefined;
    const { leaves } = folder;
    leaves.set(name, undefined);
    return { fill: (node) => void leaves.set(name, node) };
  }

  /** Stores what is there now. Folders in which nothing came to be are left out. */
  save(options: TopTreeOptions): ObjectId {
    return options.saveTree(textsOf(this.#top, "", options));
  }
}

function emptyFolder(): Folder {
  return { folders: new Map(), leaves: new Map() };
}

function textsOf(folder: Folder, path: string, options: TopTreeOptions): readonly string[] {
  const nodes: TreeNode[] = [];
  for (const node of folder.leaves.values()) if (node !== undefined) nodes.push(node);
  for (const [name, inner] of folder.folders) {
    const innerPath = `${path}/${name}`;
    const texts = textsOf(inner, innerPath, options);
    if (texts.length === 0) continue;
    const node = options.folderNode(innerPath, byteStringFromText(name));
    nodes.push({ ...node, subtree: options.saveTree(texts) });
  }
  return nodes.sort((a, b) => (a.name < b.name ? -1 : 1)).map(encodeNode);
}
