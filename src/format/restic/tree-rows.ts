/**
 * A tree as rows of numbers, to compare thousands of nodes without making an object of
 * each. It reads trees in the very form that restic and we write. For anything unusual or
 * wrong it has no answer, and `parseTree` decides; what it does answer is what that would.
 *
 * @module
 */

import { asByteString, type ByteString } from "../../domain/byte-string.ts";
import { JsonScanner } from "./json-scan.ts";
import type { ObjectId, TreeNode } from "./model.ts";
import {
  idBytes,
  numbersPerRow,
  type RowOwner,
  rowKinds,
  rowNumbers,
  rowWide,
  type ScannedRows,
  scanRows,
  widePerRow,
} from "./tree-row-scan.ts";
import { takeNode } from "./tree-scan.ts";

/** The nodes of one tree in their order. Keeps the bytes of the tree in memory. */
export class TreeRows {
  readonly #rows: ScannedRows;

  private constructor(rows: ScannedRows) {
    this.#rows = rows;
  }

  /** Undefined where the tree is to be parsed: it is unusual, or damaged. `bytes` may not change afterwards. */
  static scan(bytes: Uint8Array): TreeRows | undefined {
    const rows = scanRows(bytes);
    return rows && new TreeRows(rows);
  }

  get count(): number {
    return this.#rows.count;
  }

  nameAt(row: number): ByteString {
    return this.#rows.names[row] ?? asByteString("");
  }

  isFile(row: number): boolean {
    return this.#number(row, rowNumbers.kind) === rowKinds.file;
  }

  modeAt(row: number): number {
    return this.#number(row, rowNumbers.mode);
  }

  sizeBytesAt(row: number): number {
    return this.#number(row, rowNumbers.sizeBytes);
  }

  linksAt(row: number): number {
    return this.#number(row, rowNumbers.links);
  }

  ownerAt(row: number): RowOwner | undefined {
    return this.#rows.owners[this.#number(row, rowNumbers.owner)];
  }

  mtimeNsAt(row: number): bigint {
    return this.#rows.wide.getBigInt64(row * widePerRow + rowWide.mtime, true);
  }

  ctimeNsAt(row: number): bigint {
    return this.#rows.wide.getBigInt64(row * widePerRow + rowWide.ctime, true);
  }

  inodeAt(row: number): bigint {
    return this.#rows.wide.getBigUint64(row * widePerRow + rowWide.inode, true);
  }

  deviceIdAt(row: number): bigint {
    return this.#rows.wide.getBigUint64(row * widePerRow + rowWide.device, true);
  }

  /** Is the time of access certainly that of the last change? It may be even where this says no. */
  accessFollows(row: number): boolean {
    return this.#number(row, rowNumbers.sameAccess) === 1;
  }

  /** Ids in the content of a node; -1 where it has none, as a folder. */
  idCountAt(row: number): number {
    return this.#number(row, rowNumbers.idCount);
  }

  /** Where in {@link ids} they begin. */
  idsAt(row: number): number {
    return this.#number(row, rowNumbers.firstId) * idBytes;
  }

  /** The raw ids of all contents, one behind the other. */
  get ids(): Uint8Array {
    return this.#rows.ids;
  }

  /** The tree of a folder; undefined for everything else. */
  subtreeAt(row: number): ObjectId | undefined {
    return this.#number(row, rowNumbers.kind) === rowKinds.dir ? this.nodeAt(row).subtree : undefined;
  }

  /** The node as `parseTree` makes it. */
  nodeAt(row: number): TreeNode {
    const start = this.#number(row, rowNumbers.start);
    const end = this.#number(row, rowNumbers.end);
    return takeNode(new JsonScanner(this.#rows.bytes.subarray(start, end), "a tree"));
  }

  #number(row: number, column: number): number {
    return this.#rows.numbers[row * numbersPerRow + column] ?? 0;
  }
}
