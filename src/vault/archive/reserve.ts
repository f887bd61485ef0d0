/**
 * Some space of the vault's own for the small files without which nothing can be
 * removed from it or pinned: on a disk without a free byte not even a lock can be
 * written. Files that are deleted for them, one after the other, when there is nothing
 * else left, and made again when there is.
 *
 * Creates never touch it (I2): a backup is not worth the means to make room for the next.
 *
 * @module
 */

import { randomBytes } from "node:crypto";
import { isBackupError } from "../../domain/error.ts";
import type { Storage } from "../../storage/storage.ts";

/** The objects that take the space. */
const reserveFolder = ".vertex/reserve/";

/** A lock that names all a removal may reserve (100 kB) with the locks before and after it; a pin takes one piece. */
export const reserveNames: readonly string[] = ["1", "2", "3", "4"].map(
  (piece) => `${reserveFolder}${piece}`,
);
export const pieceBytes: number = 32 * 1024;

/** Other runs may take or fill the reserve between our freeing a piece of it and our put. */
const attemptsMax = 3 * reserveNames.length;

export class Reserve {
  readonly #storage: Storage;
  #isFreed = false;

  constructor(storage: Storage) {
    this.#storage = storage;
  }

  /**
   * Makes what is missing of the reserve. Where there is no space for it, or none that can be
   * written to, the vault goes without: that is for the caller's own writes to report.
   */
  async fill(signal: AbortSignal): Promise<void> {
    try {
      const present = await this.#present(signal);
      for (const name of reserveNames.filter((piece) => !present.includes(piece))) {
        // Bytes that no file system can compress away or take for a hole.
        await this.#storage.put(name, randomBytes(pieceBytes), signal);
      }
      this.#isFreed = false;
    } catch (error) {
      signal.throwIfAborted();
      if (!isBackupError(error)) throw error;
    }
  }

  /** Makes it again if some of it was freed here. Never throws: what it was freed for is done. */
  async refill(): Promise<void> {
    if (this.#isFreed) await this.fill(new AbortController().signal).catch(() => undefined);
  }

  /** Stores a small object, at the cost of the reserve where there is no space otherwise. As `Storage.put`. */
  async put(name: string, content: Uint8Array, signal: AbortSignal): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#storage.put(name, content, signal);
        return;
      } catch (error) {
        if (!isBackupError(error, "no-space") || attempt >= attemptsMax) throw error;
        const [piece] = await this.#present(signal);
        if (piece === undefined) throw error;
        await this.#storage.remove([piece], signal);
        this.#isFreed = true;
      }
    }
  }

  async #present(signal: AbortSignal): Promise<readonly string[]> {
    const names = await Array.fromAsync(this.#storage.list(reserveFolder, signal), ({ name }) => name);
    return reserveNames.filter((name) => names.includes(name));
  }
}
