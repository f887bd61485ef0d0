/**
 * What is wrong with the entries of a tree: what of their content is lost, and what
 * no program should have written.
 *
 * @module
 */

import type { ByteString } from "../../../../domain/byte-string.ts";
import type { TreeNode } from "../../../../format/restic/model.ts";
import type { BlobJudge } from "./blob-judge.ts";

export interface NodeFault {
  readonly name: ByteString;
  /** A clause or sentence. */
  readonly message: string;
}

/** Nothing where all entries are whole. Subtrees are not looked into. */
export function treeFaults(nodes: readonly TreeNode[], judge: BlobJudge): readonly NodeFault[] {
  return nodes.flatMap((node) => {
    const message = nodeFault(node, judge);
    return message === undefined ? [] : [{ name: node.name, message }];
  });
}

function nodeFault(node: TreeNode, judge: BlobJudge): string | undefined {
  switch (node.type) {
    case "file":
      return node.content === undefined ? "it has no list of its content" : contentFault(node.content, judge);
    case "dir":
      return node.subtree === undefined ? "it is a folder without a tree" : undefined;
    case "irregular":
      return "it is of no type that can be restored";
    default:
      return undefined;
  }
}

function contentFault(content: readonly string[], judge: BlobJudge): string | undefined {
  let first: string | undefined;
  let lost = 0;
  for (const id of content) {
    const fault = judge.fault(id, "data");
    if (fault === undefined) continue;
    first ??= fault;
    lost++;
  }
  if (first === undefined || lost === 1) return first;
  return `${first}, and ${lost - 1} more of its ${content.length} blobs`;
}
