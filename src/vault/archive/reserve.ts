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

import { hash, randomBytes } from "node:crypto";
import { isBackupError } from "../../domain/error.ts";
import { readAll } from "../../storage/read-all.ts";
import type { Storage } from "../../storage/storage.ts";
import { isInputFailure } from "../unreadable-file.ts";
import type { Damage } from "../vault.ts";

/** The objects that take the space. */
export const reserveFolder: string = ".vertex/reserve/";

/** A lock that names all a removal may reserve (100 kB) with the locks before and after it; a pin takes one piece. */
export const reserveNames: readonly string[] = ["1", "2", "3", "4"].map(
  (piece) => `${reserveFolder}${piece}`,
);
/** With the checksum: blocks of 32 KiB on the disk, and not the size of pieces of earlier versions. */
export const pieceBytes: number = 32 * 1024 - 32;

/** Pieces of earlier versions have no checksum. */
const uncheckedPieceBytes = 32 * 1024;
const checksumBytes = 32;

/** Other runs may take or fill the reserve between our freeing a piece of it and our put. */
const attemptsMax = 3 * reserveNames.length;

/** Bytes that no file system can compress away or take for a hole, and their SHA-256. */
function makePiece(): Buffer {
  const filling = randomBytes(pieceBytes - checksumBytes);
  return Buffer.concat([filling, sha256(filling)]);
}

/** Those that are not as they were written. Nothing is lost with them but the sign that the disk changes bytes. */
export async function findDamagedPieces(storage: Storage, signal: AbortSignal): Promise<readonly Damage[]> {
  const damages: Damage[] = [];
  for await (const { name } of storage.list(reserveFolder, signal)) {
    signal.throwIfAborted();
    const flaw = await flawOf(storage, name, signal);
    const remedy = reserveNames.includes(name) ? "delete it, and the next create makes it anew" : "delete it";
    if (flaw !== "") damages.push({ object: name, message: `${flaw}; ${remedy}` });
  }
  return damages;
}

async function flawOf(storage: Storage, name: string, signal: AbortSignal): Promise<string> {
  if (!reserveNames.includes(name)) return "nothing of this name belongs here";
  try {
    const bytes = await readAll(storage, name, uncheckedPieceBytes, signal);
    if (bytes.byteLength === uncheckedPieceBytes) return "";
    if (bytes.byteLength !== pieceBytes) return `it has ${bytes.byteLength} bytes instead of ${pieceBytes}`;
    const end = pieceBytes - checksumBytes;
    const isIntact = sha256(bytes.subarray(0, end)).equals(bytes.subarray(end));
    return isIntact ? "" : "it does not match its own checksum";
  } catch (error) {
    // Given up meanwhile for something that matters more.
    if (isBackupError(error, "not-found")) return "";
    if (isBackupError(error, "damaged") || isInputFailure(error)) return error.message;
    throw error;
  }
}

function sha256(bytes: Uint8Array): Buffer {
  return hash("sha256", bytes, "buffer");
}

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
        await this.#storage.put(name, makePiece(), signal);
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
