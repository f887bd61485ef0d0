/**
 * Finds out which files of a source are as they were in the backup before, so that
 * they need not be read. It follows the entries through the trees of that backup.
 *
 * @module
 */

import type { ByteString } from "../../../domain/byte-string.ts";
import type { Entry } from "../../../domain/entry.ts";
import { isBackupError } from "../../../domain/error.ts";
import type { ObjectId, TreeNode } from "../../../format/restic/model.ts";
import type { BlobIndex } from "../blob-index.ts";
import type { TreeSource } from "../read/tree-source.ts";
import type { EarlierDirectory } from "./tree-builder.ts";

/** A root of the backup before. */
export interface ParentRoot {
  readonly name: string;
  readonly path: string;
  readonly subtree: ObjectId | undefined;
}

interface Level {
  readonly path: ByteString;
  readonly nodes: readonly TreeNode[];
  /** Nodes before it are below every name still to come. */
  at: number;
}

/** By path. */
interface FoundInRoot {
  readonly directories: Map<ByteString, EarlierDirectory>;
  readonly nodes: Map<ByteString, TreeNode>;
}

/** Folders whose trees are asked for ahead; those that follow mostly lie beside them. */
const prefetchedMax = 64;

export class Settler {
  readonly #trees: TreeSource;
  readonly #index: Pick<BlobIndex, "has">;
  readonly #roots: ReadonlyMap<string, ObjectId>;
  readonly #warn: (message: string) => void;
  #levels: Level[] = [];
  #root = "";
  /** Of each root, what the backup before has for entries that have not been added yet. */
  readonly #found = new Map<string, FoundInRoot>();

  constructor(
    trees: TreeSource,
    index: Pick<BlobIndex, "has">,
    roots: readonly ParentRoot[],
    warn: (message: string) => void,
  ) {
    this.#trees = trees;
    this.#index = index;
    this.#roots = new Map(
      roots.flatMap(({ name, subtree }) => (subtree === undefined ? [] : [[name, subtree]])),
    );
    this.#warn = warn;
  }

  /** Call with entries in order, each once. */
  async settle(entries: readonly Entry[], signal: AbortSignal): Promise<readonly boolean[]> {
    const answers: boolean[] = [];
    for (const entry of entries) {
      if (entry.kind === "directory") {
        await this.#enter(entry, signal);
        answers.push(false);
      } else answers.push(this.#isUnchanged(entry));
    }
    return answers;
  }

  /** The node of a settled file, or of a link that may be as it was. To be asked once for each entry that is added. */
  takeNode({ root, path }: Entry): TreeNode | undefined {
    const nodes = this.#found.get(root)?.nodes;
    const node = nodes?.get(path);
    if (node !== undefined) nodes?.delete(path);
    return node;
  }

  /** A directory as it was. To be asked once. */
  takeDirectory({ root, path }: Entry): EarlierDirectory | undefined {
    const directories = this.#found.get(root)?.directories;
    const directory = directories?.get(path);
    directories?.delete(path);
    return directory;
  }

  async #enter(entry: Entry, signal: AbortSignal): Promise<void> {
    const { root, path } = entry;
    if (path === "") this.#begin(root);
    const node = path === "" ? undefined : this.#find(entry);
    const tree = path === "" ? this.#roots.get(root) : node?.type === "dir" ? node.subtree : undefined;
    if (tree === undefined) return;
    const nodes = await this.#load(tree, entry, signal);
    if (nodes === undefined) return;
    this.#levels.push({ path, nodes, at: 0 });
    this.#found.get(root)?.directories.set(path, { node, tree, nodes });
  }

  #begin(root: string): void {
    this.#levels = [];
    this.#root = root;
    this.#found.set(root, { directories: new Map(), nodes: new Map() });
  }

  async #load(
    tree: ObjectId,
    { root, path }: Entry,
    signal: AbortSignal,
  ): Promise<readonly TreeNode[] | undefined> {
    try {
      const nodes = await this.#trees.load(tree, () => `${root}/${path}`, signal);
      for (const { subtree } of nodes.slice(0, prefetchedMax)) {
        if (subtree !== undefined) this.#trees.prefetch(subtree, signal);
      }
      return nodes;
    } catch (error) {
      if (!isBackupError(error, "damaged", "not-found")) throw error;
      // What cannot be compared is read; the backup does not suffer from it.
      this.#warn(`The backup before cannot be read in full, so more is read anew: ${error.message}`);
      return undefined;
    }
  }

  #isUnchanged(entry: Entry): boolean {
    const node = this.#find(entry);
    const found = this.#found.get(entry.root);
    if (node === undefined || found === undefined) return false;
    if (entry.kind === "symlink") found.nodes.set(entry.path, node);
    if (entry.kind !== "file" || entry.content?.from !== "path") return false;
    if (node.content === undefined || !looksSame(entry, node)) return false;
    for (const id of node.content) if (!this.#index.has(id, "data")) return false;
    found.nodes.set(entry.path, node);
    return true;
  }

  /** The node at the place of an entry. */
  #find({ root, path }: Entry): TreeNode | undefined {
    const slash = path.lastIndexOf("/");
    const level = this.#levelAt(root, slash < 0 ? "" : path.slice(0, slash));
    if (level === undefined) return undefined;
    const name = path.slice(slash + 1);
    const { nodes } = level;
    while (level.at < nodes.length && nodes[level.at]!.name < name) level.at++;
    const node = nodes[level.at];
    return node?.name === name ? node : undefined;
  }

  #levelAt(root: string, directory: string): Level | undefined {
    if (root !== this.#root) return undefined;
    for (let last = this.#levels.at(-1); last !== undefined; last = this.#levels.at(-1)) {
      if (last.path === directory) return last;
      // A folder that was not there before has no level, while the one above it has.
      if (last.path === "" || directory.startsWith(`${last.path}/`)) return undefined;
      this.#levels.pop();
    }
    return undefined;
  }
}

/** A node without inode or with a time of 0 is of a captured image, or of something that came from elsewhere. */
function looksSame(entry: Entry, node: TreeNode): boolean {
  return (
    node.type === "file" &&
    node.sizeBytes === entry.sizeBytes &&
    node.mtimeNs === entry.mtimeNs &&
    node.ctimeNs === entry.ctimeNs &&
    node.inode === entry.inode &&
    node.inode !== 0n &&
    node.ctimeNs !== 0n
  );
}
