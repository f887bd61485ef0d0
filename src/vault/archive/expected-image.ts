/**
 * Hashes the image of a database while it is still being made: hashing fills one
 * core, copying and the check another.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import type { ExpectedImage } from "../vault.ts";

/** Large enough for few waits, small enough not to hold up a server that embeds the library. */
const pieceBytes = 1024 * 1024;

/** The SHA-256 of an image, worked out before its turn. */
export interface ForeseenHash {
  readonly sha256: string;
  readonly sizeBytes: number;
  /** What the file looked like when it was complete; it counts only while it still looks like that. */
  readonly looks: string;
}

/** Changes with every write, by whatever name the file goes. */
export async function looksOf(file: FileHandle): Promise<string> {
  const { dev, ino, size, mtimeNs } = await file.stat({ bigint: true });
  return `${dev}:${ino}:${size}:${mtimeNs}`;
}

/** Follows one image; stop it when the image will not be wanted any more. */
export class ImageHash implements ExpectedImage {
  /** Undefined where there is none to be had: then the image is read when it is stored. Never rejects. */
  readonly result: Promise<ForeseenHash | undefined>;
  #steadyBytes = 0;
  #isComplete = false;
  #isStopped = false;
  #wake: () => void = () => undefined;

  /** @param onComplete Told when the image is complete. */
  constructor(imagePath: string, onComplete: () => void) {
    this.#onComplete = onComplete;
    // Whoever stores the image reads it again and says what is wrong with it.
    this.result = this.#follow(imagePath).catch(() => undefined);
  }

  readonly #onComplete: () => void;

  steady(bytes: number): void {
    // Made anew: what was hashed is of another file.
    if (bytes <= this.#steadyBytes) this.stop();
    this.#steadyBytes = bytes;
    this.#wake();
  }

  complete(): void {
    if (this.#isComplete) return;
    this.#isComplete = true;
    this.#wake();
    this.#onComplete();
  }

  /** As `result`; gives up when cancelled. @throws the reason of `signal` */
  async resultUnless(signal: AbortSignal): Promise<ForeseenHash | undefined> {
    const stop = (): void => this.stop();
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    const result = await this.result;
    signal.removeEventListener("abort", stop);
    signal.throwIfAborted();
    return result;
  }

  /** Gives up, where it has not come to its end. */
  stop(): void {
    this.#isStopped = true;
    this.#wake();
  }

  async #follow(imagePath: string): Promise<ForeseenHash | undefined> {
    await this.#moreThan(0);
    if (this.#isStopped) return undefined;
    await using file = await open(imagePath, "r");
    const hash = createHash("sha256");
    let sizeBytes = 0;
    let [now, later] = [Buffer.allocUnsafe(pieceBytes), Buffer.allocUnsafe(pieceBytes)];
    let reading = this.#read(file, now, 0);
    for (;;) {
      const bytesRead = await reading;
      if (bytesRead === undefined) return undefined;
      if (bytesRead === 0) return { sha256: hash.digest("hex"), sizeBytes, looks: await looksOf(file) };
      sizeBytes += bytesRead;
      // The next piece is read while this one is hashed.
      reading = this.#read(file, later, sizeBytes);
      hash.update(now.subarray(0, bytesRead));
      [now, later] = [later, now];
    }
  }

  /** Reads what follows, when it is there; 0 bytes at the end of a complete image, undefined where it cannot be followed. */
  async #read(file: FileHandle, piece: Buffer, position: number): Promise<number | undefined> {
    await this.#moreThan(position);
    if (this.#isStopped) return undefined;
    const isWhole = this.#isComplete;
    const wanted = isWhole ? piece.length : Math.min(piece.length, this.#steadyBytes - position);
    const { bytesRead } = await file.read(piece, 0, wanted, position);
    // Fewer than told: it was made anew, or somebody else is at work on it.
    return bytesRead === 0 && !isWhole ? undefined : bytesRead;
  }

  /** Waits until more than so many bytes can be read, the image is complete, or nobody wants it. */
  async #moreThan(position: number): Promise<void> {
    while (this.#steadyBytes <= position && !this.#isComplete && !this.#isStopped) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
