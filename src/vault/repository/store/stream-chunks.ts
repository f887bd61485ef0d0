/**
 * Cuts a stream of bytes as restic cuts files. It runs in the thread that has the
 * stream, because its bytes come there anyway.
 *
 * @module
 */

import { Chunker } from "../../../format/restic/chunker.ts";
import type { ObjectId } from "../../../format/restic/model.ts";
import type { BlobStore } from "./blob-store.ts";

/** One stream after the other. */
export class StreamChunks {
  readonly #store: BlobStore;
  readonly #polynomial: bigint;
  #chunker: Chunker | undefined;

  constructor(store: BlobStore, chunkerPolynomial: bigint) {
    this.#store = store;
    this.#polynomial = chunkerPolynomial;
  }

  /** Stores all bytes of a stream. `onBytes` hears how many have come, and may throw. */
  async save(
    stream: AsyncIterable<Uint8Array>,
    onBytes: (total: number) => void,
    signal: AbortSignal,
  ): Promise<{ readonly content: readonly ObjectId[]; readonly sizeBytes: number }> {
    this.#chunker ??= new Chunker(this.#polynomial);
    const { buffer } = this.#chunker;
    this.#chunker.forget();
    const content: ObjectId[] = [];
    let end = 0;
    let sizeBytes = 0;
    for await (const piece of stream) {
      signal.throwIfAborted();
      sizeBytes += piece.length;
      onBytes(sizeBytes);
      for (let at = 0; at < piece.length; ) {
        const count = Math.min(piece.length - at, buffer.length - end);
        buffer.set(piece.subarray(at, at + count), end);
        at += count;
        end = await this.#saveChunks(end + count, false, content);
      }
    }
    await this.#saveChunks(end, true, content);
    return { content, sizeBytes };
  }

  /** Stores what is complete of the first `end` bytes, and moves the rest to the front; returns where that ends. */
  async #saveChunks(end: number, isEnd: boolean, content: ObjectId[]): Promise<number> {
    const chunker = this.#chunker!;
    let rest = end;
    for (let length = chunker.chunkLength(0, rest, isEnd); length !== undefined; ) {
      content.push((await this.#store.saveBlob("data", chunker.buffer.subarray(0, length))).id);
      chunker.buffer.copyWithin(0, length, rest);
      rest -= length;
      length = chunker.chunkLength(0, rest, isEnd);
    }
    return rest;
  }
}
