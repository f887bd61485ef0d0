/**
 * Visits every tree that backups need, each once however many backups share it.
 * Trees are read in batches, because neighbours in a pack come in one request.
 *
 * @module
 */

import { isBackupError } from "../../../domain/error.ts";
import type { ObjectId, TreeNode } from "../../../format/restic/model.ts";
import { parseTree } from "../../../format/restic/tree.ts";
import { type BlobFailure, type BlobFetcher, findBlob } from "../read/blob-fetch.ts";
import type { WantedBlob } from "../read/blob-ranges.ts";
import { plainLengthOf, stateOf } from "../read/decode-blobs.ts";
import type { BlobLookup } from "../repository.ts";
import { BlobSet } from "./blob-set.ts";

/** Trees and plain bytes of a batch. Two are in memory at once: one is read while the other is visited. */
const batchTreesMax = 1_000;
const batchBytesMax = 4 * 1024 * 1024;

/** Where blobs are found and read. */
export interface BlobSource {
  readonly index: BlobLookup;
  readonly fetcher: BlobFetcher;
}

export interface TreeVisitor {
  /** Called with each tree. Its subtrees are visited later, also where they are shared. */
  tree(id: ObjectId, nodes: readonly TreeNode[]): void;
  /** Called with each tree that cannot be had. `message` is a sentence that names the blob. */
  lost(id: ObjectId, message: string): void;
}

/** Visits the trees below `roots` and these themselves. @throws what the visitor throws, and as the storage */
export async function walkTrees(
  source: BlobSource,
  roots: Iterable<ObjectId>,
  visitor: TreeVisitor,
  signal: AbortSignal,
): Promise<void> {
  const queue = new TreeQueue(source, roots);
  let reading = queue.readAhead(signal);
  while (reading !== undefined) {
    signal.throwIfAborted();
    const batch: TreeBatch = await reading;
    reading = queue.readAhead(signal);
    for (const [id, tree] of batch) {
      const nodes = tree();
      if (typeof nodes === "string") {
        visitor.lost(id, nodes);
        continue;
      }
      for (const { subtree } of nodes) if (subtree !== undefined) queue.add(subtree);
      visitor.tree(id, nodes);
    }
    reading ??= queue.readAhead(signal);
  }
}

/** Trees that are to be visited, each once, in the order they were found. */
class TreeQueue {
  readonly #source: BlobSource;
  readonly #trees = new BlobSet();
  #next = 0;

  constructor(source: BlobSource, roots: Iterable<ObjectId>) {
    this.#source = source;
    for (const root of roots) this.add(root);
  }

  add(tree: ObjectId): void {
    this.#trees.add(tree, "tree");
  }

  /** Starts to read the next batch; undefined where nothing is left. */
  readAhead(signal: AbortSignal): Promise<TreeBatch> | undefined {
    const ids = this.#takeBatch();
    if (ids.length === 0) return undefined;
    const reading = loadTrees(this.#source, ids, signal);
    // Awaited later; a failure is not to be taken for one nobody handles.
    reading.catch(() => undefined);
    return reading;
  }

  #takeBatch(): readonly ObjectId[] {
    const ids: ObjectId[] = [];
    let bytes = 0;
    while (this.#next < this.#trees.size && ids.length < batchTreesMax && bytes < batchBytesMax) {
      const { id } = this.#trees.at(this.#next++);
      ids.push(id);
      const place = this.#source.index.find(id, "tree");
      if (place !== undefined) bytes += plainLengthOf(place);
    }
    return ids;
  }
}

/** Parses a tree when it is asked for, or says in a sentence why it cannot be had: nodes take many times the room of bytes. */
type LoadedTree = () => readonly TreeNode[] | string;
export type TreeBatch = ReadonlyMap<ObjectId, LoadedTree>;

/** Loads trees; the bytes of all of them are in memory at once. */
export async function loadTrees(
  { index, fetcher }: BlobSource,
  ids: readonly ObjectId[],
  signal: AbortSignal,
): Promise<TreeBatch> {
  const trees = new Map<ObjectId, LoadedTree>();
  const wanted: WantedBlob[] = [];
  let size = 0;
  for (const id of new Set(ids)) {
    const place = findBlob(index, id, "tree");
    if (isFailure(place)) trees.set(id, () => place.message);
    else {
      wanted.push({ place, at: size });
      size += plainLengthOf(place);
    }
  }
  // Not zeroed: every byte of it is written before it is read.
  const all = Buffer.allocUnsafeSlow(size);
  const failures = await fetcher.load(wanted, all.buffer, signal);
  for (const blob of wanted) {
    const { place, at } = blob;
    const message = failures.get(blob)?.message;
    const plain = all.subarray(at, at + plainLengthOf(place));
    trees.set(place.id, message === undefined ? () => parseOrSay(place.id, plain) : () => message);
  }
  return trees;
}

/** Loads one tree. */
export async function loadTree(
  source: BlobSource,
  id: ObjectId,
  signal: AbortSignal,
): Promise<readonly TreeNode[] | string> {
  const tree = (await loadTrees(source, [id], signal)).get(id);
  return tree === undefined ? `blob ${id} was not read` : tree();
}

function parseOrSay(id: ObjectId, bytes: Uint8Array): readonly TreeNode[] | string {
  try {
    return parseTree(bytes);
  } catch (error) {
    if (!isBackupError(error, "damaged")) throw error;
    return `blob ${id} is no tree: ${stateOf(error)}`;
  }
}

function isFailure(place: object): place is BlobFailure {
  return "message" in place;
}
