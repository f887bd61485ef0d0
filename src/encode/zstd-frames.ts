/**
 * Frames of `zstd.ts`, made one after the other with one context of libzstd, for threads that make
 * many. `node:zlib` makes a context for each frame, which for a small one costs ten times as much as
 * to compress it, and has no public way to keep one: this takes the stream's own, and does as `zstd.ts`
 * wherever that is not there or does not do what it should.
 *
 * @module
 */

import { constants, createZstdCompress } from "node:zlib";
import { isKnownNode } from "./known-node.ts";
import { compress, frameBytesMax } from "./zstd.ts";

/** What streams of Node.js 24 have inside; any of it may be missing in another version. */
interface CompressStream {
  on(event: "error", listener: () => void): unknown;
  readonly _handle?: {
    writeSync(
      flush: number,
      source: Uint8Array,
      sourceAt: number,
      sourceLength: number,
      target: Uint8Array,
      targetAt: number,
      targetLength: number,
    ): void;
  };
  /** After a write: bytes of the target left, bytes of the source left. */
  readonly _writeState?: Uint32Array;
}

/** Lengths that frames are tried with before any is used: two, because the second shows what the first left behind. */
const triedLengths = [1_000, 300] as const;

/** Makes frames of one level. */
export class ZstdFrames {
  readonly #level: number;
  #stream: CompressStream | undefined;
  #target: Uint8Array<ArrayBuffer> = new Uint8Array(0);

  /** @param open Makes a stream; tests give another */
  constructor(level: number, open: (level: number) => CompressStream = openStream) {
    this.#level = level;
    if (!isKnownNode()) return;
    const stream = open(level);
    // A stream that fails is given up: its writes leave bytes behind.
    stream.on("error", () => undefined);
    this.#stream = stream;
    if (!triedLengths.every((length) => this.#isRight(length))) this.#stream = undefined;
  }

  /** As `compress`. The frame is valid until the next call. */
  frame(bytes: Uint8Array): Uint8Array {
    const made =
      this.#stream === undefined || bytes.length === 0 ? undefined : this.#make(this.#stream, bytes);
    if (made !== undefined) return made;
    if (bytes.length > 0) this.#stream = undefined;
    return compress(bytes, this.#level);
  }

  #make({ _handle: handle, _writeState: state }: CompressStream, bytes: Uint8Array): Uint8Array | undefined {
    if (handle === undefined || state === undefined) return undefined;
    const room = frameBytesMax(bytes.length);
    if (this.#target.length < room) this.#target = new Uint8Array(room);
    const target = this.#target;
    state[0] = 0;
    state[1] = bytes.length;
    try {
      handle.writeSync(constants.ZSTD_e_end, bytes, 0, bytes.length, target, 0, target.length);
    } catch {
      return undefined;
    }
    const [left, unread] = state;
    // A frame that fills its room to the last byte may go on.
    if (unread !== 0 || left === undefined || left === 0 || left >= target.length) return undefined;
    return target.subarray(0, target.length - left);
  }

  #isRight(length: number): boolean {
    const sample = Buffer.from(Array.from({ length }, (_, i) => (i * i) % 97));
    return compress(sample, this.#level).equals(this.frame(sample)) && this.#stream !== undefined;
  }
}

function openStream(level: number): CompressStream {
  return createZstdCompress({
    params: { [constants.ZSTD_c_compressionLevel]: level },
  }) as unknown as CompressStream;
}
