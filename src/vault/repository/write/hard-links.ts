/**
 * Files with several names: each name is a node of its own with the same content,
 * which may still be under way when the further names come.
 *
 * @module
 */

import { asByteString, type ByteString } from "../../../domain/byte-string.ts";
import type { Entry } from "../../../domain/entry.ts";
import type { TreeNode } from "../../../format/restic/model.ts";

/** What a further name waits for. */
interface Follower {
  readonly found: (node: TreeNode) => void;
  /** @param path Absolute path of the further name, where its content can be read; undefined if there is none */
  readonly lost: (path: ByteString | undefined) => void;
  readonly path: ByteString;
}

interface First {
  node: TreeNode | undefined;
  isLost: boolean;
  /** Absolute path of the root; undefined where the content is not that of a file. */
  readonly folder: ByteString | undefined;
  readonly followers: Follower[];
}

export class HardLinks {
  readonly #firsts = new Map<string, First>();

  /** A file that may have further names is being stored. */
  expect(entry: Entry): void {
    // Most files have one name. Where the number is unknown, any may have more.
    if (entry.links === 1) return;
    const { content, path } = entry;
    const isFile = content?.from === "path" && path !== "";
    const folder = isFile ? asByteString(content.path.slice(0, -path.length - 1)) : undefined;
    this.#firsts.set(keyOf(entry.root, path), { node: undefined, isLost: false, folder, followers: [] });
  }

  /** It is stored. */
  found(entry: Entry, node: TreeNode): void {
    if (entry.links === 1) return;
    const key = keyOf(entry.root, entry.path);
    const first = this.#firsts.get(key);
    const followers = first?.followers.splice(0) ?? [];
    if (first === undefined) {
      this.#firsts.set(key, { node, isLost: false, folder: undefined, followers: [] });
    } else first.node = node;
    for (const follower of followers) follower.found(node);
  }

  /** It could not be stored. */
  lost(entry: Entry): void {
    const first = this.#firsts.get(keyOf(entry.root, entry.path));
    if (first === undefined) return;
    first.isLost = true;
    for (const follower of first.followers.splice(0)) tellLost(first, follower);
  }

  /** Tells a further name, now or later, what became of the first. */
  follow(entry: Entry, firstPath: ByteString, listener: Omit<Follower, "path">): void {
    const first = this.#firsts.get(keyOf(entry.root, firstPath));
    const follower: Follower = { ...listener, path: entry.path };
    if (first === undefined) follower.lost(undefined);
    else if (first.node !== undefined) follower.found(first.node);
    else if (first.isLost) tellLost(first, follower);
    else first.followers.push(follower);
  }
}

function tellLost({ folder }: First, follower: Follower): void {
  follower.lost(folder === undefined ? undefined : asByteString(`${folder}/${follower.path}`));
}

function keyOf(root: string, path: ByteString): string {
  return `${root}/${path}`;
}
