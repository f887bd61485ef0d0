/**
 * Nodes of a tree made from what the file system says, as restic makes them of the
 * same files: access times are not kept but follow the time of the last change.
 *
 * @module
 */

import type { ByteString } from "../../../domain/byte-string.ts";
import type { Entry } from "../../../domain/entry.ts";
import type { NodeType, ObjectId, TreeNode } from "../../../format/restic/model.ts";
import type { OwnerNames } from "../../owner-names.ts";

/** What a node takes over from the file system. */
export interface NodeFacts {
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  readonly inode: bigint;
  readonly deviceId?: bigint;
  readonly links?: number;
}

/** Blobs of a file, and how many bytes they are together. */
export interface FileContent {
  readonly content: readonly ObjectId[];
  readonly sizeBytes: number;
}

/** Makes nodes; knows the names of owners. */
export class NodeMaker {
  readonly #names: OwnerNames | undefined;

  constructor(names: OwnerNames | undefined) {
    this.#names = names;
  }

  file(name: ByteString, facts: NodeFacts, { content, sizeBytes }: FileContent): TreeNode {
    return { ...this.#common(name, "file", facts), links: facts.links ?? 0, sizeBytes, content };
  }

  /** Its subtree comes later. */
  directory(name: ByteString, facts: NodeFacts): TreeNode {
    return this.#common(name, "dir", facts);
  }

  symlink(name: ByteString, entry: Entry): TreeNode {
    const { linkTarget } = entry;
    const node = { ...this.#common(name, "symlink", entry), links: entry.links ?? 0 };
    return linkTarget === undefined ? node : { ...node, linkTarget };
  }

  /** Is this node of an earlier backup what {@link file} or {@link symlink} would make of the entry, content apart? */
  describes(node: TreeNode, entry: Entry): boolean {
    const made = this.#common(node.name, entry.kind === "symlink" ? "symlink" : "file", entry);
    const { links = 0, linkTarget } = entry;
    return isSameNode(node, {
      ...made,
      links,
      sizeBytes: entry.sizeBytes,
      ...(linkTarget && { linkTarget }),
    });
  }

  /** The names that nodes of this owner get. */
  ownerOf(uid: number, gid: number): { readonly user: string; readonly group: string } {
    return { user: this.#names?.user(uid) ?? "", group: this.#names?.group(gid) ?? "" };
  }

  #common(name: ByteString, type: NodeType, facts: NodeFacts): TreeNode {
    const { mode, mtimeNs, ctimeNs, inode } = facts;
    // An owner of -1 is unknown, which a node cannot say.
    const [uid, gid] = [Math.max(0, facts.uid), Math.max(0, facts.gid)];
    return {
      name,
      type,
      mode,
      mtimeNs,
      atimeNs: mtimeNs,
      ctimeNs,
      uid,
      gid,
      ...this.ownerOf(uid, gid),
      inode,
      deviceId: facts.deviceId ?? 0n,
      links: 0,
      sizeBytes: 0,
    };
  }
}

/** Do these say the same, content and subtree apart? */
export function isSameNode(a: TreeNode, b: TreeNode): boolean {
  return (
    a.type === b.type &&
    a.mode === b.mode &&
    a.mtimeNs === b.mtimeNs &&
    a.atimeNs === b.atimeNs &&
    a.ctimeNs === b.ctimeNs &&
    a.inode === b.inode &&
    a.deviceId === b.deviceId &&
    a.links === b.links &&
    a.sizeBytes === b.sizeBytes &&
    a.linkTarget === b.linkTarget &&
    isSameOwner(a, b)
  );
}

function isSameOwner(a: TreeNode, b: TreeNode): boolean {
  return a.uid === b.uid && a.gid === b.gid && a.user === b.user && a.group === b.group;
}
