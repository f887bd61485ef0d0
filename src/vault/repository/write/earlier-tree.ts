/**
 * A directory's tree in the backup before, asked row by row whether its nodes are what a
 * walk finds now. Trees in the usual form are compared as they stand; all others node by
 * node as they were parsed, with the same answers.
 *
 * @module
 */

import { asByteString, type ByteString } from "../../../domain/byte-string.ts";
import type { Entry } from "../../../domain/entry.ts";
import type { ObjectId, TreeNode } from "../../../format/restic/model.ts";
import { parseTree } from "../../../format/restic/tree.ts";
import type { RowOwner } from "../../../format/restic/tree-row-scan.ts";
import { TreeRows } from "../../../format/restic/tree-rows.ts";
import type { BlobIndex } from "../blob-index.ts";
import type { NodeMaker } from "./tree-nodes.ts";

/** Rows are nodes in the order of their names, counted from 0. */
export interface EarlierTree {
  readonly count: number;
  nameAt(row: number): ByteString;
  /** Undefined for all but directories. */
  subtreeAt(row: number): ObjectId | undefined;
  /** Is this file, by its looks, what it was then? */
  looksSame(row: number, entry: Entry): boolean;
  /** Is it a file of which no blob is missing? */
  isStored(row: number, index: Pick<BlobIndex, "has" | "hasRaw">): boolean;
  /** Is its node what would be made of this entry now, content apart? */
  describes(row: number, entry: Entry, nodes: NodeMaker): boolean;
  /** For a row that is there. */
  nodeAt(row: number): TreeNode;
}

/** One node of an earlier tree. */
export interface EarlierNode {
  readonly tree: EarlierTree;
  readonly row: number;
}

/** Reads a tree's bytes, which may not change afterwards. @throws {BackupError} `damaged` */
export function openEarlierTree(plain: Uint8Array): EarlierTree {
  const rows = TreeRows.scan(plain);
  return rows === undefined ? new ParsedTree(parseTree(plain)) : new ScannedTree(rows);
}

/** A tree as `parseTree` has it. */
export class ParsedTree implements EarlierTree {
  readonly #nodes: readonly TreeNode[];

  constructor(nodes: readonly TreeNode[]) {
    this.#nodes = nodes;
  }

  get count(): number {
    return this.#nodes.length;
  }

  nameAt(row: number): ByteString {
    return this.#nodes[row]?.name ?? asByteString("");
  }

  subtreeAt(row: number): ObjectId | undefined {
    const node = this.#nodes[row];
    return node?.type === "dir" ? node.subtree : undefined;
  }

  /** A node without inode or with a time of 0 is of a captured image, or of something that came from elsewhere. */
  looksSame(row: number, entry: Entry): boolean {
    const node = this.nodeAt(row);
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

  isStored(row: number, index: Pick<BlobIndex, "has">): boolean {
    const { type, content } = this.nodeAt(row);
    return type === "file" && content !== undefined && content.every((id) => index.has(id, "data"));
  }

  describes(row: number, entry: Entry, nodes: NodeMaker): boolean {
    return nodes.describes(this.nodeAt(row), entry);
  }

  nodeAt(row: number): TreeNode {
    const node = this.#nodes[row];
    if (node === undefined) throw new RangeError(`no row ${row} in a tree of ${this.#nodes.length}`);
    return node;
  }
}

/** A tree of which no node is parsed unless somebody asks for it. */
class ScannedTree implements EarlierTree {
  readonly #rows: TreeRows;
  /** The owner that was compared last, and what it was called now. */
  #owner: RowOwner | undefined;
  #ownerNodes: NodeMaker | undefined;
  #isOwnerNamed = false;

  constructor(rows: TreeRows) {
    this.#rows = rows;
  }

  get count(): number {
    return this.#rows.count;
  }

  nameAt(row: number): ByteString {
    return this.#rows.nameAt(row);
  }

  subtreeAt(row: number): ObjectId | undefined {
    return this.#rows.subtreeAt(row);
  }

  looksSame(row: number, entry: Entry): boolean {
    const rows = this.#rows;
    return (
      rows.isFile(row) &&
      rows.sizeBytesAt(row) === entry.sizeBytes &&
      rows.mtimeNsAt(row) === entry.mtimeNs &&
      rows.ctimeNsAt(row) === entry.ctimeNs &&
      rows.inodeAt(row) === entry.inode &&
      entry.inode !== 0n &&
      entry.ctimeNs !== 0n
    );
  }

  isStored(row: number, index: Pick<BlobIndex, "hasRaw">): boolean {
    const count = this.#rows.idCountAt(row);
    if (count < 0 || !this.#rows.isFile(row)) return false;
    const { ids } = this.#rows;
    const first = this.#rows.idsAt(row);
    for (let i = 0; i < count; i++) if (!index.hasRaw(ids, first + i * 32, "data")) return false;
    return true;
  }

  describes(row: number, entry: Entry, nodes: NodeMaker): boolean {
    const rows = this.#rows;
    const isCertain =
      entry.kind === "file" &&
      this.looksSame(row, entry) &&
      rows.accessFollows(row) &&
      rows.modeAt(row) === entry.mode &&
      rows.linksAt(row) === entry.links &&
      rows.deviceIdAt(row) === entry.deviceId &&
      this.#isOwner(rows.ownerAt(row), entry, nodes);
    return isCertain || nodes.describes(this.nodeAt(row), entry);
  }

  nodeAt(row: number): TreeNode {
    return this.#rows.nodeAt(row);
  }

  /** Files of one tree mostly belong to one owner. */
  #isOwner(owner: RowOwner | undefined, { uid, gid }: Entry, nodes: NodeMaker): boolean {
    if (owner === undefined || owner.uid !== uid || owner.gid !== gid) return false;
    if (owner !== this.#owner || nodes !== this.#ownerNodes) {
      this.#owner = owner;
      this.#ownerNodes = nodes;
      const named = nodes.ownerOf(uid, gid);
      this.#isOwnerNamed = named.user === owner.user && named.group === owner.group;
    }
    return this.#isOwnerNamed;
  }
}
