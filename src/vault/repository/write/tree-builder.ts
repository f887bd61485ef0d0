/**
 * Builds the trees of one root out of entries that come in order, while files are
 * still being stored: a directory's tree is made when it is closed and the last of
 * what is in it is there. Does no I/O; trees are handed to `saveTree`.
 *
 * @module
 */

import { asByteString, type ByteString } from "../../../domain/byte-string.ts";
import type { ObjectId, TreeNode } from "../../../format/restic/model.ts";
import { encodeNode } from "../../../format/restic/node.ts";
import type { EarlierNode, EarlierTree } from "./earlier-tree.ts";
import { isSameNode } from "./tree-nodes.ts";

/** The place of one name in a directory. */
export interface NodeSlot {
  /**
   * To be called once: with the node, or with undefined where there is none after all.
   *
   * @param earlier Where an earlier tree has this very node, if one has
   */
  readonly fill: (node: TreeNode | undefined, earlier?: EarlierNode) => void;
}

/** A directory as it was in an earlier backup. */
export interface EarlierDirectory {
  /** Its own node; a root has none that could be taken over. */
  readonly at: EarlierNode | undefined;
  readonly id: ObjectId;
  readonly tree: EarlierTree;
}

/** Something that belongs into a directory without being among its entries, as a declared database. */
export interface InsertedNode {
  readonly name: ByteString;
  /** Told that it has a place; not called where that name is taken. */
  readonly place: (slot: NodeSlot) => void;
}

export interface TreeBuilderOptions {
  /** Stores a tree of nodes that `encodeNode` has written, in the order of their names. */
  readonly saveTree: (nodeTexts: readonly string[]) => ObjectId;
  /** What is to be put into the directory at this path, asked when all its entries are known. */
  readonly insertionsAt: (path: ByteString) => readonly InsertedNode[];
  /** Makes the node of a directory that comes without an entry of its own, as in archives of others. */
  readonly missingDirectory: (name: ByteString) => TreeNode;
}

interface Directory {
  readonly path: ByteString;
  readonly node: TreeNode;
  readonly names: ByteString[];
  /** By the place in `names`; as text, or where it is earlier; undefined while it is not there, and where there is none. */
  readonly nodes: (string | EarlierNode | undefined)[];
  readonly before: EarlierDirectory | undefined;
  readonly parent: NodeSlot;
  /** How many of `nodes` are those of `before`, and how many are others. */
  same: number;
  other: number;
  inserted: boolean;
  closed: boolean;
  pending: number;
}

export class TreeBuilder {
  readonly #options: TreeBuilderOptions;
  /** The way down to where the next entry is expected. */
  readonly #open: Directory[] = [];
  readonly #rootName: ByteString;
  readonly #top: NodeSlot;

  /** @param rootName Name of the root's own node @param top Gets that node when everything is there */
  constructor(rootName: ByteString, top: NodeSlot, options: TreeBuilderOptions) {
    this.#options = options;
    this.#rootName = rootName;
    this.#top = top;
  }

  /** The name of the node for the entry at this path. */
  nameOf(path: ByteString): ByteString {
    return path === "" ? this.#rootName : asByteString(path.slice(path.lastIndexOf("/") + 1));
  }

  /** A directory, whose entries follow. If all of them are as before, so is its tree, which is then not made again. */
  addDirectory(path: ByteString, node: TreeNode, before?: EarlierDirectory): void {
    const parent = path === "" ? this.#top : this.addSlot(path);
    this.#push({ path, node, parent, before });
  }

  /** The place for anything else. */
  addSlot(path: ByteString): NodeSlot {
    if (path === "") return this.#top;
    const directory = this.#directoryOf(path);
    return addName(directory, this.nameOf(path), (done) => this.#complete(done));
  }

  /** The place for what is word for word as in an earlier tree, and its node at once. */
  addEarlier(path: ByteString, earlier: EarlierNode): void {
    const directory = this.#directoryOf(path);
    directory.names.push(earlier.tree.nameAt(earlier.row));
    directory.nodes.push(earlier);
    count(directory, earlier);
  }

  /** All entries of the root have come. */
  end(): void {
    this.#closeDownTo(0);
  }

  #push(directory: Pick<Directory, "path" | "node" | "parent" | "before">): void {
    const rest = { same: 0, other: 0, inserted: false, closed: false, pending: 0 };
    this.#open.push({ ...directory, names: [], nodes: [], ...rest });
  }

  #directoryOf(path: ByteString): Directory {
    const length = Math.max(path.lastIndexOf("/"), 0);
    const last = this.#open.at(-1);
    if (last?.path.length === length && path.startsWith(last.path)) return last;
    const wanted = asByteString(path.slice(0, length));
    let depth = this.#open.length;
    while (depth > 0 && !isAtOrAbove(this.#open[depth - 1]!.path, wanted)) depth--;
    this.#closeDownTo(depth);
    return this.#openMissing(wanted);
  }

  #openMissing(wanted: ByteString): Directory {
    const { missingDirectory } = this.#options;
    if (this.#open.length === 0) {
      const node = missingDirectory(this.#rootName);
      this.#push({ path: asByteString(""), node, parent: this.#top, before: undefined });
    }
    for (;;) {
      const last = this.#open.at(-1)!;
      if (last.path === wanted) return last;
      const start = last.path === "" ? 0 : last.path.length + 1;
      const end = wanted.indexOf("/", start);
      const path = asByteString(end < 0 ? wanted : wanted.slice(0, end));
      const name = this.nameOf(path);
      const parent = addName(last, name, (done) => this.#complete(done));
      this.#push({ path, node: missingDirectory(name), parent, before: undefined });
    }
  }

  #closeDownTo(depth: number): void {
    while (this.#open.length > depth) {
      const directory = this.#open.pop()!;
      // Held open, so that what is inserted at once does not complete it halfway.
      directory.pending++;
      this.#insert(directory);
      directory.closed = true;
      directory.pending--;
      this.#complete(directory);
    }
  }

  #insert(directory: Directory): void {
    for (const { name, place } of this.#options.insertionsAt(directory.path)) {
      if (directory.names.includes(name)) continue;
      directory.inserted = true;
      place(addName(directory, name, (done) => this.#complete(done)));
    }
  }

  #complete(directory: Directory): void {
    const { before, node, parent, closed, pending, same, other } = directory;
    if (!closed || pending > 0) return;
    if (before !== undefined && other === 0 && same === before.tree.count) {
      const earlier = before.at?.tree.nodeAt(before.at.row);
      if (earlier !== undefined && isSameNode(earlier, node)) parent.fill(earlier, before.at);
      else parent.fill({ ...node, subtree: before.id });
      return;
    }
    const texts = textsOf(directory);
    parent.fill({ ...node, subtree: this.#options.saveTree(texts) });
  }
}

function addName(directory: Directory, name: ByteString, complete: (directory: Directory) => void): NodeSlot {
  const index = directory.names.length;
  directory.names.push(name);
  directory.nodes.push(undefined);
  directory.pending++;
  return {
    fill(node, earlier) {
      if (node !== undefined) {
        directory.nodes[index] = earlier ?? encodeNode(node);
        count(directory, earlier);
      }
      directory.pending--;
      complete(directory);
    },
  };
}

function count(directory: Directory, earlier: EarlierNode | undefined): void {
  if (earlier !== undefined && earlier.tree === directory.before?.tree) directory.same++;
  else directory.other++;
}

/** Entries come in order; what was inserted stands behind them. */
function textsOf({ names, nodes, inserted }: Directory): readonly string[] {
  const order = [...names.keys()];
  if (inserted) order.sort((a, b) => (names[a]! < names[b]! ? -1 : 1));
  const texts: string[] = [];
  for (const index of order) {
    const node = nodes[index];
    if (typeof node === "string") texts.push(node);
    else if (node !== undefined) texts.push(encodeNode(node.tree.nodeAt(node.row)));
  }
  return texts;
}

function isAtOrAbove(directory: ByteString, path: ByteString): boolean {
  return directory === "" || path === directory || path.startsWith(`${directory}/`);
}
