/**
 * Ends walks that were made never to end. Trees name each other, so that forty small
 * ones, each with the next in it twice, hold more paths than any computer can visit.
 * Pure.
 *
 * @module
 */

import type { ObjectId } from "../../../format/restic/model.ts";
import { BlobSet } from "../maintenance/blob-set.ts";

/** How often an entry may come again on average: real trees hold times and inodes, and hardly repeat at all. */
const repeatsMax = 1_000;

/** Entries before repeats count: visited within seconds. */
const entriesFreely = 20_000;

/** Sees all trees of a backup as they are entered. */
export class RepeatGuard {
  readonly #trees = new BlobSet();
  #entries = 0;
  #differentEntries = 0;

  /** Whether a tree of so many entries may be entered; false once a walk comes to the same ones again and again. */
  mayEnter(tree: ObjectId, entries: number): boolean {
    this.#entries += entries;
    if (this.#trees.add(tree, "tree")) this.#differentEntries += entries;
    return this.#entries <= entriesFreely || this.#entries <= this.#differentEntries * repeatsMax;
  }
}
