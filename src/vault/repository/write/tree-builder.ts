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

/** The place of one name in a directory. */
export interface NodeSlot {
  /** To be called once: with the node, or with undefined where there is none after all. */
  readonly fill: (node: TreeNode | undefined) => void;
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
  /** By the place in `names`; undefined while it is not there, and where there is none. */
  readonly texts: (string | undefined)[];
  readonly parent: NodeSlot;
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

  /** A directory, whose entries follow. */
  addDirectory(path: ByteString, node: TreeNode): void {
    const parent = path === "" ? this.#top : this.addSlot(path);
    this.#push(path, node, parent);
  }

  /** The place for anything else. */
  addSlot(path: ByteString): NodeSlot {
    if (path === "") return this.#top;
    const directory = this.#directoryOf(path);
    return addName(directory, this.nameOf(path), (done) => this.#complete(done));
  }

  /** All entries of the root have come. */
  end(): void {
    this.#closeDownTo(0);
  }

  #push(path: ByteString, node: TreeNode, parent: NodeSlot): void {
    const rest = { inserted: false, closed: false, pending: 0 };
    this.#open.push({ path, node, names: [], texts: [], parent, ...rest });
  }

  #directoryOf(path: ByteString): Directory {
    const wanted = asByteString(path.slice(0, Math.max(path.lastIndexOf("/"), 0)));
    const last = this.#open.at(-1);
    if (last?.path === wanted) return last;
    let depth = this.#open.length;
    while (depth > 0 && !isAtOrAbove(this.#open[depth - 1]!.path, wanted)) depth--;
    this.#closeDownTo(depth);
    return this.#openMissing(wanted);
  }

  #openMissing(wanted: ByteString): Directory {
    const { missingDirectory } = this.#options;
    if (this.#open.length === 0) this.#push(asByteString(""), missingDirectory(this.#rootName), this.#top);
    for (;;) {
      const last = this.#open.at(-1)!;
      if (last.path === wanted) return last;
      const start = last.path === "" ? 0 : last.path.length + 1;
      const end = wanted.indexOf("/", start);
      const path = asByteString(end < 0 ? wanted : wanted.slice(0, end));
      const name = this.nameOf(path);
      this.#push(
        path,
        missingDirectory(name),
        addName(last, name, (done) => this.#complete(done)),
      );
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
    if (!directory.closed || directory.pending > 0) return;
    const texts = directory.inserted ? sortedTexts(directory) : directory.texts;
    const subtree = this.#options.saveTree(texts.filter((text) => text !== undefined));
    directory.parent.fill({ ...directory.node, subtree });
  }
}

function addName(directory: Directory, name: ByteString, complete: (directory: Directory) => void): NodeSlot {
  const index = directory.names.length;
  directory.names.push(name);
  directory.texts.push(undefined);
  directory.pending++;
  return {
    fill(node) {
      if (node !== undefined) directory.texts[index] = encodeNode(node);
      directory.pending--;
      complete(directory);
    },
  };
}

/** Entries come in order; what was inserted stands behind them. */
function sortedTexts({ names, texts }: Directory): readonly (string | undefined)[] {
  const order = [...names.keys()].sort((a, b) => (names[a]! < names[b]! ? -1 : 1));
  return order.map((index) => texts[index]);
}

function isAtOrAbove(directory: ByteString, path: ByteString): boolean {
  return directory === "" || path === directory || path.startsWith(`${directory}/`);
}
