/**
 * What a node of a tree is as an entry of a backup. Pure.
 *
 * @module
 */

import { hash } from "node:crypto";
import type { Problem } from "../../../domain/backup.ts";
import type { ByteString } from "../../../domain/byte-string.ts";
import type { EntryKind, StoredEntry } from "../../../domain/entry.ts";
import type { NodeType, ObjectId, TreeNode } from "../../../format/restic/model.ts";
import type { WalkedNode } from "./walk-tree.ts";

/** As many as people read; a backup of `/dev` has thousands. */
const leftOutMax = 1_000;

const entryKinds: Readonly<Partial<Record<NodeType, EntryKind>>> = {
  file: "file",
  dir: "directory",
  symlink: "symlink",
};

/** Go's zero time, which restic writes where it knows none, lies before any file's. */
const unknownTimeNs = -62_135_596_800_000_000_000n;

/** Makes the entries of one root, in their order: which of a file's names is the first depends on it. */
export class EntryMaker {
  readonly #root: string;
  /** By device and inode, the first name of each file that has several. */
  readonly #firstNames = new Map<string, { readonly path: ByteString; readonly contentId: string }>();

  constructor(root: string) {
    this.#root = root;
  }

  /** Undefined for what a restore cannot make: devices, pipes, sockets. */
  entryOf({ node, path }: WalkedNode): StoredEntry | undefined {
    const kind = entryKinds[node.type];
    if (kind === undefined) return undefined;
    const attributes = {
      root: this.#root,
      path,
      kind,
      mode: node.mode,
      uid: node.uid,
      gid: node.gid,
      mtimeNs: node.mtimeNs,
      ctimeNs: node.ctimeNs <= unknownTimeNs ? 0n : node.ctimeNs,
      inode: node.inode,
      deviceId: node.deviceId,
      links: node.links,
    };
    if (kind === "symlink")
      return { ...attributes, sizeBytes: 0, linkTarget: node.linkTarget ?? ("" as ByteString) };
    if (kind === "directory") return { ...attributes, sizeBytes: 0 };
    const contentId = contentIdOf(node.content ?? []);
    const hardLinkTo = this.#firstNameOf(node, path, contentId);
    if (hardLinkTo !== undefined) return { ...attributes, sizeBytes: 0, hardLinkTo };
    return { ...attributes, sizeBytes: node.sizeBytes, contentId };
  }

  /** The earlier name of the same file. Numbers of files are used again, so its content decides as well. */
  #firstNameOf(node: TreeNode, path: ByteString, contentId: string): ByteString | undefined {
    if (node.links < 2 || node.inode === 0n) return undefined;
    const key = `${node.deviceId}/${node.inode}`;
    const first = this.#firstNames.get(key);
    if (first === undefined) this.#firstNames.set(key, { path, contentId });
    return first?.contentId === contentId ? first.path : undefined;
  }
}

/** Equal only for equal bytes: the id of the only blob, or the hash over all their ids. */
function contentIdOf(content: readonly ObjectId[]): string {
  const [only] = content;
  if (content.length === 1 && only !== undefined) return only;
  return hash("sha256", Buffer.from(content.join(""), "hex"), "hex");
}

/** Collects what no entry stands for, so that people can be told. */
export class LeftOut {
  readonly #problems = new Map<string, Problem>();

  /** @param shownPath Root name and path inside it */
  add(shownPath: string, type: NodeType): void {
    if (this.#problems.size >= leftOutMax) return;
    // A path is met again with every pass over the entries.
    this.#problems.set(shownPath, {
      kind: "special-file",
      path: shownPath,
      message: `it is a ${specialNames[type] ?? type}, which this program does not restore`,
    });
  }

  list(): readonly Problem[] {
    return [...this.#problems.values()];
  }
}

const specialNames: Readonly<Partial<Record<NodeType, string>>> = {
  dev: "block device",
  chardev: "character device",
  fifo: "named pipe",
  irregular: "file of an unknown kind",
};
