/**
 * Walks a tree in the order of entries: depth first, a folder before what is in
 * it. Holds the nodes of the folders on the way, never those of the whole tree.
 *
 * @module
 */

import { asByteString, type ByteString, byteStringToDisplay } from "../../../domain/byte-string.ts";
import { BackupError, isBackupError } from "../../../domain/error.ts";
import type { ObjectId, TreeNode } from "../../../format/restic/model.ts";
import type { RepeatGuard } from "./repeat-guard.ts";
import type { TreeSource } from "./tree-source.ts";

/** A node and where it is, relative to the tree that is walked. */
export interface WalkedNode {
  readonly path: ByteString;
  readonly node: TreeNode;
}

export interface WalkOptions {
  /** Of the tree that is walked, for messages; empty for the whole backup. */
  readonly name: string;
  /** Shared by all walks over one backup. */
  readonly guard: RepeatGuard;
  /** Which nodes are wanted; a folder that is not is not read. */
  readonly wants?: (path: ByteString, node: TreeNode) => boolean;
  /** Which folders are read; those that are not are still handed out themselves. */
  readonly enters?: (path: ByteString) => boolean;
  /** Told of trees that cannot be read, which are then left out. Without it the walk fails. */
  readonly onDamage?: (path: ByteString, error: BackupError) => void;
}

/** Nodes handed out at once: few enough to start with the first soon. */
const nodesPerBatch = 512;

/** No path that any system makes is deeper: names have a byte and a slash, paths 4,096 bytes. */
const depthMax = 2_048;

/** Subfolders whose trees are asked for in advance. */
const foldersAhead = 4;

interface Frame {
  readonly nodes: readonly TreeNode[];
  readonly path: ByteString;
  next: number;
}

/** @throws {BackupError} `damaged` */
export async function* walkTree(
  source: TreeSource,
  tree: ObjectId,
  options: WalkOptions,
  signal: AbortSignal,
): AsyncGenerator<readonly WalkedNode[], void, undefined> {
  const walk = new Walk(source, options, signal);
  await walk.enter(tree, asByteString(""));
  for (let batch = await walk.next(); batch.length > 0; batch = await walk.next()) yield batch;
}

class Walk {
  readonly #source: TreeSource;
  readonly #options: WalkOptions;
  readonly #signal: AbortSignal;
  readonly #frames: Frame[] = [];

  constructor(source: TreeSource, options: WalkOptions, signal: AbortSignal) {
    this.#source = source;
    this.#options = options;
    this.#signal = signal;
  }

  /** Goes into a tree; what is next is what lies in it. */
  async enter(tree: ObjectId, path: ByteString): Promise<void> {
    try {
      if (this.#frames.length >= depthMax) throw tooDeep(this.#nameOf(path));
      const nodes = await this.#source.load(tree, () => this.#nameOf(path), this.#signal);
      if (!this.#options.guard.mayEnter(tree, nodes.length)) throw tooOften(this.#nameOf(path));
      this.#frames.push({ nodes, path, next: 0 });
    } catch (error) {
      if (this.#options.onDamage === undefined || !isBackupError(error, "damaged")) throw error;
      this.#options.onDamage(path, error);
    }
  }

  /** The next nodes; none at the end. */
  async next(): Promise<readonly WalkedNode[]> {
    const batch: WalkedNode[] = [];
    for (let frame = this.#frames.at(-1); frame !== undefined; frame = this.#frames.at(-1)) {
      const node = frame.nodes[frame.next++];
      if (node === undefined) this.#frames.pop();
      else await this.#visit(frame, node, batch);
      if (batch.length >= nodesPerBatch) break;
    }
    return batch;
  }

  async #visit(frame: Frame, node: TreeNode, batch: WalkedNode[]): Promise<void> {
    const path = asByteString(frame.path === "" ? node.name : `${frame.path}/${node.name}`);
    if (this.#options.wants?.(path, node) === false) return;
    batch.push({ path, node });
    if (node.type !== "dir" || this.#options.enters?.(path) === false) return;
    if (node.subtree === undefined) return this.#lost(path);
    for (const folder of foldersFrom(frame, foldersAhead)) this.#source.prefetch(folder, this.#signal);
    await this.enter(node.subtree, path);
  }

  /** A folder without a tree: restic never writes one. */
  #lost(path: ByteString): void {
    const error = new BackupError(
      "damaged",
      `Cannot read ${this.#nameOf(path)}: it is a folder without a tree`,
    );
    if (this.#options.onDamage === undefined) throw error;
    this.#options.onDamage(path, error);
  }

  #nameOf(path: ByteString): string {
    const shown = byteStringToDisplay(path);
    return [this.#options.name, shown].filter((part) => part !== "").join("/") || "the backup's root";
  }
}

/** The trees of the folders that come next in a frame. */
function* foldersFrom({ nodes, next }: Frame, count: number): Generator<ObjectId> {
  let found = 0;
  for (let i = next; i < nodes.length && found < count; i++) {
    const { type, subtree } = nodes[i] ?? {};
    if (type !== "dir" || subtree === undefined) continue;
    found++;
    yield subtree;
  }
}

function tooDeep(name: string): BackupError {
  return new BackupError("damaged", `Cannot read ${name}: it lies more than ${depthMax} folders deep`);
}

function tooOften(name: string): BackupError {
  return new BackupError(
    "damaged",
    `Cannot read ${name}: the same folders come again and again, as no program writes them`,
  );
}
