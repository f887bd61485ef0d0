/**
 * Ids of blobs that are stored or about to be, shared by all threads of a backup,
 * so that each new blob is stored by exactly one of them. Ids are compared whole.
 *
 * An open-addressing table in shared memory that only grows. A slot is taken with one
 * compare-and-swap. Where all slots an id may use are taken, the next segment, twice
 * as large, is tried: an id lies in a later segment only if its places in all earlier
 * ones were full, and no slot is ever freed, so two threads never take two slots for one id.
 *
 * @module
 */

/** State, then the eight words of an id. */
const slotWords = 9;
const slotBytes = slotWords * 4;
const idWords = 8;
/** Slots in a row where an id may lie. Longer fills segments better, shorter finds sooner. */
const windowSlots = 32;

const free = 0;
const taken = 1;
const ready = 2;

/**
 * Address space asked for; what is not used takes no memory. Room for 59 million ids; beyond it
 * blobs count as new, which costs space and nothing else.
 */
const addressBytesMax = 2 ** 31 - 8;
const addressBytesMin = 2 ** 22;
const firstSlotsMin = 2 ** 15;

/** What another thread needs to open the same set. */
export interface SharedBlobSetParts {
  readonly memory: SharedArrayBuffer;
  readonly firstSlots: number;
}

export class SharedBlobSet {
  readonly parts: SharedBlobSetParts;
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #firstSlots: number;
  readonly #throwIfAborted: (() => void) | undefined;

  /**
   * Opens a set made by {@link SharedBlobSet.create}, here or in another thread.
   *
   * @param throwIfAborted Asked while another thread is waited for, which may have died; without it nobody is
   */
  constructor(parts: SharedBlobSetParts, throwIfAborted?: () => void) {
    this.parts = parts;
    this.#throwIfAborted = throwIfAborted;
    this.#words = new Int32Array(parts.memory);
    this.#firstSlots = parts.firstSlots;
  }

  /** An empty set. @param expected Ids known to come: it works with any number, but is quickest if this is about right */
  static create(expected: number): SharedBlobSet {
    let firstSlots = firstSlotsMin;
    while (firstSlots < 2 * expected && firstSlots * slotBytes * 2 < addressBytesMax) firstSlots *= 2;
    return new SharedBlobSet({ memory: reserve(firstSlots * slotBytes), firstSlots });
  }

  /**
   * Takes an id, 32 bytes: true for exactly one of all threads that ask, false for the others and ever after.
   *
   * @throws what `throwIfAborted` does
   */
  claim(id: Uint8Array): boolean {
    for (let segment = 0; ; segment++) {
      const outcome = this.#claimIn(segment, id);
      if (outcome !== undefined) return outcome;
    }
  }

  /** Undefined: no place for it in this segment. */
  #claimIn(segment: number, id: Uint8Array): boolean | undefined {
    const slots = this.#firstSlots * 2 ** segment;
    const start = this.#firstSlots * (2 ** segment - 1);
    if ((start + slots) * slotWords > this.#words.length) return true;
    // Ids are hashes: any of their bits are as good as a hash of them. 48 bits, for any table.
    const hash =
      (((id[0]! << 16) | (id[1]! << 8) | id[2]!) >>> 0) * 2 ** 24 + ((id[3]! << 16) | (id[4]! << 8) | id[5]!);
    const home = hash % slots;
    for (let i = 0; i < windowSlots; i++) {
      const at = (start + ((home + i) % slots)) * slotWords;
      const outcome = this.#claimAt(at, id);
      if (outcome !== undefined) return outcome;
    }
    return undefined;
  }

  /** Undefined: another id lies there. */
  #claimAt(at: number, id: Uint8Array): boolean | undefined {
    const words = this.#words;
    let state = Atomics.load(words, at);
    if (state === free) {
      state = Atomics.compareExchange(words, at, free, taken);
      if (state === free) {
        for (let word = 0; word < idWords; word++) words[at + 1 + word] = wordOf(id, word);
        Atomics.store(words, at, ready);
        return true;
      }
    }
    // Its taker is between two instructions, or died there: then the store is aborted.
    while (state === taken) {
      this.#throwIfAborted?.();
      state = Atomics.load(words, at);
    }
    for (let word = 0; word < idWords; word++)
      if (words[at + 1 + word] !== wordOf(id, word)) return undefined;
    return false;
  }
}

function wordOf(id: Uint8Array, word: number): number {
  const at = word * 4;
  return id[at]! | (id[at + 1]! << 8) | (id[at + 2]! << 16) | (id[at + 3]! << 24);
}

/** Where a system promises no memory it may not have, less must do. */
function reserve(leastBytes: number): SharedArrayBuffer {
  for (let bytes = addressBytesMax; ; bytes = Math.floor(bytes / 8) * 4) {
    try {
      return new SharedArrayBuffer(bytes);
    } catch (error) {
      if (!(error instanceof RangeError) || bytes < Math.max(leastBytes, addressBytesMin)) throw error;
    }
  }
}
