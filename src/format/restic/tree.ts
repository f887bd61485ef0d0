/**
 * A tree: the entries of one directory, in raw byte order of their names. Source:
 * restic `doc/design.rst`, "Trees and Data", and `internal/data/tree.go`.
 *
 * @module
 */

import type { ByteString } from "../../domain/byte-string.ts";
import { asByteString } from "../../domain/byte-string.ts";
import { JsonScanner } from "./json-scan.ts";
import type { TreeNode } from "./model.ts";
import { encodeNode } from "./node.ts";
import { takeNode } from "./tree-scan.ts";

const head = '{"nodes":[';
const tail = "]}\n";
const comma = 44;

/**
 * The plain bytes of a tree blob.
 *
 * @throws {RangeError} if names are not strictly ascending, which no reader would accept
 */
export function encodeTree(nodes: Iterable<TreeNode>): Buffer {
  const texts: string[] = [];
  let last = asByteString("");
  for (const node of nodes) {
    if (node.name <= last) throw new RangeError("nodes of a tree must be in the order of their names");
    last = node.name;
    texts.push(encodeNode(node));
  }
  return encodeTreeOfNodes(texts);
}

/** The same of nodes that {@link encodeNode} has written, in the order of their names. */
export function encodeTreeOfNodes(nodeTexts: readonly string[]): Buffer {
  let size = head.length + tail.length + Math.max(0, nodeTexts.length - 1);
  for (const text of nodeTexts) size += text.length;
  // Written piece by piece: the text of a large directory would be longer than text can be.
  const bytes = Buffer.allocUnsafe(size);
  let at = bytes.write(head, 0, "latin1");
  for (const [index, text] of nodeTexts.entries()) {
    if (index > 0) at = bytes.writeUInt8(comma, at);
    at += bytes.write(text, at, "latin1");
  }
  bytes.write(tail, at, "latin1");
  return bytes;
}

/**
 * The nodes of a tree blob. Nothing of them keeps `bytes` in memory.
 *
 * @throws {BackupError} `damaged`, also for names that lead out of the directory, that
 *   come twice, or that are out of order
 */
export function parseTree(bytes: Uint8Array): readonly TreeNode[] {
  const scanner = new JsonScanner(bytes, "a tree");
  let nodes: readonly TreeNode[] | undefined;
  for (let key = scanner.firstKey(); key !== undefined; key = scanner.nextKey()) {
    if (key !== "nodes") scanner.takeRaw();
    else nodes = scanner.takeNull() ? [] : takeNodes(scanner);
  }
  scanner.finish();
  if (nodes === undefined) throw scanner.damaged("no nodes");
  return nodes;
}

function takeNodes(scanner: JsonScanner): readonly TreeNode[] {
  const nodes: TreeNode[] = [];
  let last: ByteString = asByteString("");
  for (let more = scanner.firstItem(); more; more = scanner.nextItem()) {
    const node = takeNode(scanner);
    if (node.name <= last) throw scanner.damaged("names that are not in order");
    last = node.name;
    nodes.push(node);
  }
  return nodes;
}
