/**
 * Writes a stream to a file in large pieces, the next one being filled while the
 * last one is on its way to the disk.
 *
 * @module
 */

/** Large enough that system calls and thread hops do not show; two of them are held per stream. */
const batchSizeBytes = 1024 * 1024;

/** Written to the disk in the background each time this much is new, so that little is left for the sync at the end. */
const writeBackSizeBytes = 64 * 1024 * 1024;

/** What is needed of a `FileHandle`. */
export interface WritableFile {
  write(
    bytes: Uint8Array,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ readonly bytesWritten: number }>;
  datasync(): Promise<void>;
}

/**
 * Writes all of `bytes` at `position`, not in one go: for a write of 2 MiB and more Linux takes pages of 2 MiB into
 * its cache, which a virtual machine first has to get from its host (16 MiB took five times as long).
 */
export async function writeFully(handle: WritableFile, bytes: Uint8Array, position: number): Promise<void> {
  let written = 0;
  while (written < bytes.byteLength) {
    const length = Math.min(batchSizeBytes, bytes.byteLength - written);
    const { bytesWritten } = await handle.write(bytes, written, length, position + written);
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
  handle: WritableFile,
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
  readonly #handle: WritableFile;
  #filling: Buffer = Buffer.allocUnsafeSlow(batchSizeBytes);
  #spare: Buffer | undefined;
  #used = 0;
  #position = 0;
  #writing: Promise<void> = Promise.resolve();
  /** Never rejects: what went wrong is in `#failure`. */
  #writingBack: Promise<void> = Promise.resolve();
  #isWritingBack = false;
  #failure: { readonly error: unknown } | undefined;
  #writtenBackTo = 0;

  constructor(handle: WritableFile) {
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
    await this.#writingBack;
    this.#throwIfFailed();
  }

  /** Waits for what is under way, so that the file can be closed; its failure is told by `add` or `flush`. */
  async settled(): Promise<void> {
    await this.#writing.catch(() => undefined);
    await this.#writingBack;
  }

  async #send(): Promise<void> {
    await this.#writing;
    this.#throwIfFailed();
    const full = this.#filling;
    const bytes = full.subarray(0, this.#used);
    this.#writing = writeFully(this.#handle, bytes, this.#position);
    // A failure must not count as unhandled while the producer is being waited for.
    this.#writing.catch(() => undefined);
    this.#position += this.#used;
    this.#used = 0;
    this.#filling = this.#spare ?? Buffer.allocUnsafeSlow(batchSizeBytes);
    this.#spare = full;
    this.#writeBack();
  }

  /**
   * Keeps the disk busy without waiting for it, so that a producer that gets slower
   * later on (media first, then text to compress) gives it time to catch up.
   */
  #writeBack(): void {
    if (this.#isWritingBack || this.#position - this.#writtenBackTo < writeBackSizeBytes) return;
    this.#writtenBackTo = this.#position;
    this.#isWritingBack = true;
    this.#writingBack = this.#syncBeside();
  }

  async #syncBeside(): Promise<void> {
    try {
      await this.#handle.datasync();
    } catch (error) {
      // It must not be lost: the kernel tells a failed write once, and the last sync would succeed.
      this.#failure ??= { error };
    } finally {
      this.#isWritingBack = false;
    }
  }

  #throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}
