/**
 * Which trees contain something lost, however deep. Pure; filled while all trees are
 * visited once, so that what many backups share is looked at once.
 *
 * @module
 */

import type { ObjectId } from "../../../../format/restic/model.ts";
import { BlobSet } from "../blob-set.ts";

/** Eight bytes for each folder in a folder, besides the set of trees. */
export class AffectedTrees {
  readonly #trees = new BlobSet();
  /** Pairs: a tree, one of its subtrees. */
  #edges: Uint32Array = new Uint32Array(2048);
  #edgeCount = 0;
  readonly #lossy = new Set<number>();

  /** Notes a tree's subtrees. */
  addTree(id: ObjectId, subtrees: Iterable<ObjectId>): void {
    const parent = this.#ordinal(id);
    for (const subtree of subtrees) this.#addEdge(parent, this.#ordinal(subtree));
  }

  /** Notes that something in the tree itself is lost, or the tree. */
  addLoss(id: ObjectId): void {
    this.#lossy.add(this.#ordinal(id));
  }

  /** Whether anything was lost at all. */
  get isEmpty(): boolean {
    return this.#lossy.size === 0;
  }

  /** Says of a tree whether something in it or below it is lost. Ask when all were added. */
  resolve(): (id: ObjectId) => boolean {
    const affected = new Uint8Array(this.#trees.size);
    for (const tree of this.#lossy) affected[tree] = 1;
    // Trees are found from above, so one pass from the end mostly settles all of them.
    for (let changed = true; changed; ) changed = this.#spread(affected);
    return (id) => affected[this.#trees.ordinalOf(id, "tree")] === 1;
  }

  /** Marks the parents of what is marked; false when all were. */
  #spread(affected: Uint8Array): boolean {
    let changed = false;
    for (let edge = this.#edgeCount - 1; edge >= 0; edge--) {
      const parent = this.#edges[edge * 2] as number;
      if (affected[this.#edges[edge * 2 + 1] as number] === 0 || affected[parent] === 1) continue;
      affected[parent] = 1;
      changed = true;
    }
    return changed;
  }

  #ordinal(id: ObjectId): number {
    this.#trees.add(id, "tree");
    return this.#trees.ordinalOf(id, "tree");
  }

  #addEdge(parent: number, child: number): void {
    if (this.#edgeCount * 2 === this.#edges.length) {
      const larger = new Uint32Array(this.#edges.length * 2);
      larger.set(this.#edges);
      this.#edges = larger;
    }
    this.#edges[this.#edgeCount * 2] = parent;
    this.#edges[this.#edgeCount * 2 + 1] = child;
    this.#edgeCount++;
  }
}
