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

interface Match {
  readonly root: string;
  readonly path: ByteString;
  readonly content: readonly ObjectId[];
}

/** Folders whose trees are asked for ahead; those that follow mostly lie beside them. */
const prefetchedMax = 64;
/** Matches that were used are forgotten in pieces of this many. */
const forgetMax = 4_096;

export class Settler {
  readonly #trees: TreeSource;
  readonly #index: Pick<BlobIndex, "has">;
  readonly #roots: ReadonlyMap<string, ObjectId>;
  readonly #warn: (message: string) => void;
  #levels: Level[] = [];
  #root = "";
  /** Settled entries that have not been added yet, in order. */
  #matches: Match[] = [];
  #matchesAt = 0;

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

  /** What a settled entry consists of. Entries come in the order they were settled in; what is passed over will not come. */
  take(entry: Entry): readonly ObjectId[] | undefined {
    while (this.#matchesAt < this.#matches.length) {
      const match = this.#matches[this.#matchesAt++]!;
      if (this.#matchesAt >= forgetMax || this.#matchesAt === this.#matches.length) {
        this.#matches.splice(0, this.#matchesAt);
        this.#matchesAt = 0;
      }
      if (match.path === entry.path && match.root === entry.root) return match.content;
    }
    return undefined;
  }

  async #enter(entry: Entry, signal: AbortSignal): Promise<void> {
    const { root, path } = entry;
    let subtree: ObjectId | undefined;
    if (path === "") {
      this.#levels = [];
      this.#root = root;
      subtree = this.#roots.get(root);
    } else {
      const node = this.#find(entry);
      subtree = node?.type === "dir" ? node.subtree : undefined;
    }
    if (subtree !== undefined)
      this.#levels.push({ path, nodes: await this.#load(subtree, entry, signal), at: 0 });
  }

  async #load(tree: ObjectId, { root, path }: Entry, signal: AbortSignal): Promise<readonly TreeNode[]> {
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
      return [];
    }
  }

  #isUnchanged(entry: Entry): boolean {
    if (entry.kind !== "file" || entry.content?.from !== "path") return false;
    const node = this.#find(entry);
    if (node?.content === undefined || !looksSame(entry, node)) return false;
    for (const id of node.content) if (!this.#index.has(id, "data")) return false;
    this.#matches.push({ root: entry.root, path: entry.path, content: node.content });
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
