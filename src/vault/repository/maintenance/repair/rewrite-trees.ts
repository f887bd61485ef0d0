/**
 * Writes trees again without what is lost: a file keeps what is left of its content
 * and its name, as restic's repair has it; one of which nothing is left goes; a folder
 * whose tree is lost stays, empty.
 *
 * @module
 */

import { hash } from "node:crypto";
import { asByteString, type ByteString } from "../../../../domain/byte-string.ts";
import { manifestFileName, ownFolderName } from "../../../../format/restic/manifest.ts";
import type { BlobType, ObjectId, TreeNode } from "../../../../format/restic/model.ts";
import { encodeTree } from "../../../../format/restic/tree.ts";
import { plainLengthOf } from "../../read/decode-blobs.ts";
import type { BlobJudge } from "../check/blob-judge.ts";
import type { PackWriter } from "../pack-writer.ts";
import { type BlobSource, loadTree } from "../walk-trees.ts";

/** Deeper than any path can be; a hostile tree must not end the process. */
const depthMax = 4_096;

export interface TreeRewriting {
  readonly source: BlobSource;
  readonly judge: BlobJudge;
  /** Whether something in the tree, or below it, is lost. */
  readonly isAffected: (tree: ObjectId) => boolean;
  /** Where new trees go; undefined to find out only what would become of them. */
  readonly writer: PackWriter | undefined;
}

/** Where nothing says how the manifest's file was: for its owner only. */
const manifestMode = 0o600;

/** Rewrites each tree once, however many backups share it. */
export class TreeRewriter {
  readonly #options: TreeRewriting;
  readonly #done = new Map<ObjectId, ObjectId | undefined>();
  readonly #stored = new Set<ObjectId>();

  constructor(options: TreeRewriting) {
    this.#options = options;
  }

  /**
   * The tree of a backup without what is lost; undefined where the tree itself is.
   *
   * @param manifest What the manifest in it is to say; undefined where it has none
   */
  async rewriteRoot(
    id: ObjectId,
    manifest: Uint8Array | undefined,
    signal: AbortSignal,
  ): Promise<ObjectId | undefined> {
    const nodes = await this.#load(id, signal);
    if (nodes === undefined || manifest === undefined) return await this.#rewrite(id, signal, 0);
    const kept: TreeNode[] = [];
    for (const node of nodes) {
      const isOwn = node.type === "dir" && node.name === ownFolderName;
      const rest = isOwn
        ? { ...node, subtree: await this.#storeOwnFolder(node, manifest, signal) }
        : await this.#rest(node, signal, 0);
      if (rest !== undefined) kept.push(rest);
    }
    return await this.#storeTree(kept);
  }

  async #rewrite(id: ObjectId, signal: AbortSignal, depth: number): Promise<ObjectId | undefined> {
    signal.throwIfAborted();
    if (!this.#options.isAffected(id)) return id;
    if (this.#done.has(id)) return this.#done.get(id);
    const nodes = depth > depthMax ? undefined : await this.#load(id, signal);
    const rewritten = nodes && (await this.#rewriteNodes(nodes, signal, depth));
    this.#done.set(id, rewritten);
    return rewritten;
  }

  async #load(id: ObjectId, signal: AbortSignal): Promise<readonly TreeNode[] | undefined> {
    const nodes = await loadTree(this.#options.source, id, signal);
    return typeof nodes === "string" ? undefined : nodes;
  }

  async #storeOwnFolder(folder: TreeNode, manifest: Uint8Array, signal: AbortSignal): Promise<ObjectId> {
    const id = hash("sha256", manifest, "hex");
    await this.#storeBlob(id, "data", manifest);
    const nodes = folder.subtree === undefined ? undefined : await this.#load(folder.subtree, signal);
    const kept: TreeNode[] = [];
    let isPlaced = false;
    for (const node of nodes ?? []) {
      if (node.name !== manifestFileName) {
        const rest = await this.#rest(node, signal, 0);
        if (rest !== undefined) kept.push(rest);
        continue;
      }
      isPlaced = true;
      // Whatever else was made to bear the name goes.
      const isFile = node.type === "file";
      const known = { content: [id], sizeBytes: manifest.length };
      kept.push(isFile ? { ...node, ...known } : newManifestNode(folder, id, manifest.length));
    }
    if (!isPlaced) kept.push(newManifestNode(folder, id, manifest.length));
    return await this.#storeTree(kept.sort((a, b) => (a.name < b.name ? -1 : 1)));
  }

  /** Stores a tree of these nodes, which are in order. */
  async #storeTree(nodes: readonly TreeNode[]): Promise<ObjectId> {
    const plain = encodeTree(nodes);
    const id = hash("sha256", plain, "hex");
    await this.#storeBlob(id, "tree", plain);
    return id;
  }

  async #storeBlob(id: ObjectId, type: BlobType, plain: Uint8Array): Promise<void> {
    const { writer, judge } = this.#options;
    if (this.#stored.has(id) || judge.fault(id, type) === undefined) return;
    this.#stored.add(id);
    await writer?.add(id, type, plain);
  }

  async #rewriteNodes(nodes: readonly TreeNode[], signal: AbortSignal, depth: number): Promise<ObjectId> {
    const kept: TreeNode[] = [];
    for (const node of nodes) {
      const rest = await this.#rest(node, signal, depth);
      if (rest !== undefined) kept.push(rest);
    }
    return await this.#storeTree(kept);
  }

  /** What is left of an entry; undefined where nothing is. */
  async #rest(node: TreeNode, signal: AbortSignal, depth: number): Promise<TreeNode | undefined> {
    if (node.type === "irregular") return undefined;
    if (node.type === "file") return this.#restOfFile(node);
    if (node.type !== "dir") return node;
    const subtree =
      node.subtree === undefined ? undefined : await this.#rewrite(node.subtree, signal, depth + 1);
    return { ...node, subtree: subtree ?? (await this.#storeTree([])) };
  }

  #restOfFile(node: TreeNode): TreeNode | undefined {
    const { judge, source } = this.#options;
    const { content } = node;
    if (content === undefined) return undefined;
    const rest = content.filter((blob) => judge.fault(blob, "data") === undefined);
    if (rest.length === content.length) return node;
    if (rest.length === 0) return undefined;
    const sizeBytes = rest.reduce((sum, blob) => {
      const place = source.index.find(blob, "data");
      return sum + (place === undefined ? 0 : plainLengthOf(place));
    }, 0);
    return { ...node, content: rest, sizeBytes };
  }
}

/** A file like the folder it lies in. */
function newManifestNode(folder: TreeNode, blob: ObjectId, sizeBytes: number): TreeNode {
  const { mtimeNs, atimeNs, ctimeNs, uid, gid, user, group } = folder;
  const name: ByteString = asByteString(manifestFileName);
  const same = { mtimeNs, atimeNs, ctimeNs, uid, gid, user, group };
  return {
    ...same,
    name,
    type: "file",
    mode: manifestMode,
    inode: 0n,
    deviceId: 0n,
    links: 1,
    sizeBytes,
    content: [blob],
  };
}
