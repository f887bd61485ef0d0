/**
 * A set of blobs in typed arrays, for repositories with millions of them: about
 * 45 bytes a blob, where a JavaScript `Set` of hex texts takes 200. Every blob has
 * an ordinal, so that facts about blobs can be kept in plain arrays beside the set.
 *
 * @module
 */

import type { BlobType, ObjectId } from "../../../format/restic/model.ts";

const wordsPerId = 8;

/** Slots a blob at most, in hundredths: fuller tables make long searches. */
const fillPercentMax = 60;

/** The value of each hex digit by its character code; 255 for what is none. */
const digitValues: Uint8Array = new Uint8Array(128).fill(255);
for (let value = 0; value < 16; value++) digitValues[value.toString(16).charCodeAt(0)] = value;

/** Grows as needed. A tree and a data blob of one id are two blobs. */
export class BlobSet {
  #words: Uint32Array = new Uint32Array(1024 * wordsPerId);
  #isTree: Uint8Array = new Uint8Array(1024);
  /** Ordinal + 1 of the blob in each slot; 0 where empty. */
  #slots: Uint32Array = new Uint32Array(2048);
  readonly #wanted: Uint32Array = new Uint32Array(wordsPerId);
  #size = 0;

  /** How many blobs are in it; their ordinals are 0 to `size - 1`, in the order they were added. */
  get size(): number {
    return this.#size;
  }

  /** Adds a blob. Returns whether it is new. */
  add(id: ObjectId, type: BlobType): boolean {
    const slot = this.#slotOf(id, type);
    if (this.#slots[slot] !== 0) return false;
    this.#makeRoom();
    const ordinal = this.#size++;
    this.#words.set(this.#wanted, ordinal * wordsPerId);
    this.#isTree[ordinal] = type === "tree" ? 1 : 0;
    this.#slots[slot] = ordinal + 1;
    if (this.#size * 100 > this.#slots.length * fillPercentMax) this.#rehash();
    return true;
  }

  has(id: ObjectId, type: BlobType): boolean {
    return this.#slots[this.#slotOf(id, type)] !== 0;
  }

  /** The blob's ordinal, or -1 where it is not in the set. */
  ordinalOf(id: ObjectId, type: BlobType): number {
    return (this.#slots[this.#slotOf(id, type)] as number) - 1;
  }

  /** The blob of an ordinal. */
  at(ordinal: number): { readonly id: ObjectId; readonly type: BlobType } {
    const words = this.#words.subarray(ordinal * wordsPerId, (ordinal + 1) * wordsPerId);
    const id = Array.from(words, (word) => word.toString(16).padStart(8, "0")).join("");
    return { id, type: this.#isTree[ordinal] === 1 ? "tree" : "data" };
  }

  /** The slot that holds the blob, or the empty one where it belongs. Leaves the id's words in `#wanted`. */
  #slotOf(id: ObjectId, type: BlobType): number {
    parseWords(id, this.#wanted);
    const tree = type === "tree" ? 1 : 0;
    const mask = this.#slots.length - 1;
    for (let slot = firstSlot(this.#wanted[0] as number, tree, mask); ; slot = (slot + 1) & mask) {
      const ordinal = (this.#slots[slot] as number) - 1;
      if (ordinal < 0 || (this.#isTree[ordinal] === tree && this.#isWantedAt(ordinal))) return slot;
    }
  }

  #isWantedAt(ordinal: number): boolean {
    const start = ordinal * wordsPerId;
    for (let i = 0; i < wordsPerId; i++) {
      if (this.#words[start + i] !== this.#wanted[i]) return false;
    }
    return true;
  }

  #makeRoom(): void {
    if (this.#size < this.#isTree.length) return;
    const words = new Uint32Array(this.#words.length * 2);
    words.set(this.#words);
    this.#words = words;
    const isTree = new Uint8Array(this.#isTree.length * 2);
    isTree.set(this.#isTree);
    this.#isTree = isTree;
  }

  #rehash(): void {
    const slots = new Uint32Array(this.#slots.length * 2);
    const mask = slots.length - 1;
    for (let ordinal = 0; ordinal < this.#size; ordinal++) {
      const word = this.#words[ordinal * wordsPerId] as number;
      let slot = firstSlot(word, this.#isTree[ordinal] as number, mask);
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = ordinal + 1;
    }
    this.#slots = slots;
  }
}

/** Ids are hashes already, so their first word spreads evenly. */
function firstSlot(word: number, tree: number, mask: number): number {
  return (word ^ tree) & mask;
}

function parseWords(id: ObjectId, words: Uint32Array): void {
  if (id.length !== wordsPerId * 8) throw new RangeError(`Not the id of a blob: ${id}`);
  for (let i = 0; i < wordsPerId; i++) {
    let word = 0;
    for (let at = i * 8; at < i * 8 + 8; at++) {
      const digit = digitValues[id.charCodeAt(at)] ?? 255;
      if (digit > 15) throw new RangeError(`Not the id of a blob: ${id}`);
      word = (word << 4) | digit;
    }
    words[i] = word;
  }
}
