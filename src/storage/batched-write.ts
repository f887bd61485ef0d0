/**
 * Writes a stream to a file in large pieces, the next one being filled while the
 * last one is on its way to the disk.
 *
 * @module
 */

import type { FileHandle } from "node:fs/promises";

/** Large enough that system calls and thread hops do not show; two of them are held per stream. */
const batchSizeBytes = 1024 * 1024;

/** Writes all of `bytes` at `position`. */
export async function writeFully(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  let written = 0;
  while (written < bytes.byteLength) {
    const { bytesWritten } = await handle.write(
      bytes,
      written,
      bytes.byteLength - written,
      position + written,
    );
    written += bytesWritten;
  }
}

/**
 * Writes a stream from the start of an empty file. Chunks are copied before the
 * next one is asked for, so their producer may reuse them.
 *
 * @returns How many bytes there were.
 */
export async function writeStream(
  handle: FileHandle,
  content: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<number> {
  const batches = new Batches(handle);
  try {
    for await (const chunk of content) {
      signal.throwIfAborted();
      await batches.add(chunk);
    }
    await batches.flush();
  } finally {
    await batches.settled();
  }
  return batches.sizeBytes;
}

class Batches {
  readonly #handle: FileHandle;
  #filling: Buffer = Buffer.allocUnsafeSlow(batchSizeBytes);
  #spare: Buffer | undefined;
  #used = 0;
  #position = 0;
  #writing: Promise<void> = Promise.resolve();

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  get sizeBytes(): number {
    return this.#position + this.#used;
  }

  async add(chunk: Uint8Array): Promise<void> {
    for (let taken = 0; taken < chunk.byteLength; ) {
      const length = Math.min(chunk.byteLength - taken, batchSizeBytes - this.#used);
      this.#filling.set(chunk.subarray(taken, taken + length), this.#used);
      this.#used += length;
      taken += length;
      if (this.#used === batchSizeBytes) await this.#send();
    }
  }

  async flush(): Promise<void> {
    await this.#send();
    await this.#writing;
  }

  /** Waits for the write under way, so that the file can be closed; its failure is told by `add` or `flush`. */
  async settled(): Promise<void> {
    await this.#writing.catch(() => undefined);
  }

  async #send(): Promise<void> {
    await this.#writing;
    const full = this.#filling;
    const bytes = full.subarray(0, this.#used);
    this.#writing = writeFully(this.#handle, bytes, this.#position);
    // A failure must not count as unhandled while the producer is being waited for.
    this.#writing.catch(() => undefined);
    this.#position += this.#used;
    this.#used = 0;
    this.#filling = this.#spare ?? Buffer.allocUnsafeSlow(batchSizeBytes);
    this.#spare = full;
  }
}
