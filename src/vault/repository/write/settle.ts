/**
 * Finds out which files of a source are as they were in the backup before, so that
 * they need not be read. It follows the entries through the trees of that backup.
 *
 * @module
 */

import type { ByteString } from "../../../domain/byte-string.ts";
import { compareEntryPaths, type Entry } from "../../../domain/entry.ts";
import { isBackupError } from "../../../domain/error.ts";
import type { ObjectId } from "../../../format/restic/model.ts";
import type { BlobIndex } from "../blob-index.ts";
import type { TreeSource } from "../read/tree-source.ts";
import { type EarlierNode, type EarlierTree, openEarlierTree } from "./earlier-tree.ts";
import type { EarlierDirectory } from "./tree-builder.ts";

/** A root of the backup before. */
export interface ParentRoot {
  readonly name: string;
  readonly path: string;
  readonly subtree: ObjectId | undefined;
}

interface Level {
  readonly path: ByteString;
  readonly tree: EarlierTree;
  /** Rows before it are below every name still to come. */
  at: number;
}

/** A node of the backup before for an entry that has not been added yet. */
interface FoundNode extends EarlierNode {
  readonly path: ByteString;
}

interface FoundInRoot {
  readonly directories: Map<ByteString, EarlierDirectory>;
  /** In the order of entries; those before `next` were asked for, or never will be. */
  readonly nodes: FoundNode[];
  next: number;
}

/** Nodes that were asked for and are still held. */
const takenNodesMax = 1024;

/** Folders whose trees are asked for ahead; those that follow mostly lie beside them. */
const prefetchedMax = 64;

export class Settler {
  readonly #trees: TreeSource;
  readonly #index: Pick<BlobIndex, "has" | "hasRaw">;
  readonly #roots: ReadonlyMap<string, ObjectId>;
  readonly #warn: (message: string) => void;
  #levels: Level[] = [];
  #root = "";
  /** By root. */
  readonly #found = new Map<string, FoundInRoot>();

  constructor(
    trees: TreeSource,
    index: Pick<BlobIndex, "has" | "hasRaw">,
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

  /** The node of a settled file, or of a link that may be as it was. To be asked for entries in order, once for each that is added. */
  takeNode({ root, path }: Entry): EarlierNode | undefined {
    const found = this.#found.get(root);
    if (found === undefined) return undefined;
    for (let node = found.nodes[found.next]; node !== undefined; node = found.nodes[found.next]) {
      const isIt = node.path === path;
      if (!isIt && compareEntryPaths(node.path, path) > 0) return undefined;
      found.next++;
      if (isIt) return node;
    }
    return undefined;
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
    const at = path === "" ? undefined : this.#find(entry);
    const id = path === "" ? this.#roots.get(root) : at?.tree.subtreeAt(at.row);
    if (id === undefined) return;
    const tree = await this.#load(id, entry, signal);
    if (tree === undefined) return;
    this.#levels.push({ path, tree, at: 0 });
    this.#found.get(root)?.directories.set(path, { at, id, tree });
  }

  #begin(root: string): void {
    this.#levels = [];
    this.#root = root;
    this.#found.set(root, { directories: new Map(), nodes: [], next: 0 });
  }

  async #load(id: ObjectId, { root, path }: Entry, signal: AbortSignal): Promise<EarlierTree | undefined> {
    try {
      const tree = await this.#trees.loadAs(id, openEarlierTree, () => `${root}/${path}`, signal);
      for (let row = 0; row < Math.min(prefetchedMax, tree.count); row++) {
        const subtree = tree.subtreeAt(row);
        if (subtree !== undefined) this.#trees.prefetch(subtree, signal);
      }
      return tree;
    } catch (error) {
      if (!isBackupError(error, "damaged", "not-found")) throw error;
      // What cannot be compared is read; the backup does not suffer from it.
      this.#warn(`The backup before cannot be read in full, so more is read anew: ${error.message}`);
      return undefined;
    }
  }

  #isUnchanged(entry: Entry): boolean {
    const at = this.#find(entry);
    const found = this.#found.get(entry.root);
    if (at === undefined || found === undefined) return false;
    const { tree, row } = at;
    if (entry.kind === "symlink") hold(found, { path: entry.path, tree, row });
    if (entry.kind !== "file" || entry.content?.from !== "path") return false;
    if (!tree.looksSame(row, entry) || !tree.isStored(row, this.#index)) return false;
    hold(found, { path: entry.path, tree, row });
    return true;
  }

  /** The node at the place of an entry: its row is that of the level. */
  #find({ root, path }: Entry): EarlierNode | undefined {
    const slash = path.lastIndexOf("/");
    const level = this.#levelAt(root, path, Math.max(slash, 0));
    if (level === undefined) return undefined;
    const name = path.slice(slash + 1);
    const { tree } = level;
    while (level.at < tree.count && tree.nameAt(level.at) < name) level.at++;
    return level.at < tree.count && tree.nameAt(level.at) === name ? { tree, row: level.at } : undefined;
  }

  /** The level of the directory that is the first `length` bytes of a path. */
  #levelAt(root: string, path: ByteString, length: number): Level | undefined {
    if (root !== this.#root) return undefined;
    for (let last = this.#levels.at(-1); last !== undefined; last = this.#levels.at(-1)) {
      if (last.path.length === length && path.startsWith(last.path)) return last;
      // A folder that was not there before has no level, while the one above it has.
      if (last.path === "" || (length > last.path.length && path.startsWith(`${last.path}/`)))
        return undefined;
      this.#levels.pop();
    }
    return undefined;
  }
}

function hold(found: FoundInRoot, node: FoundNode): void {
  if (found.next >= takenNodesMax) {
    found.nodes.splice(0, found.next);
    found.next = 0;
  }
  found.nodes.push(node);
}
