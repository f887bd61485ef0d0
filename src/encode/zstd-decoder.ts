/**
 * Decompresses many zstd frames with one decoder, straight into given memory. Node's own function makes
 * a stream and a decoder for each frame, which takes longer than 50 KB of text. There is no public way
 * round that, so this goes through what Node's streams themselves call; only on versions where that is
 * known, and never as the last word: whoever calls compares hashes, and asks {@link decompress} on a doubt.
 *
 * @module
 */

import { constants, createZstdDecompress } from "node:zlib";
import { isKnownNode } from "./known-node.ts";

/** The inner side of a stream of `node:zlib`, as it has been since Node 9. */
interface Inner {
  readonly _handle: Handle | null;
  /** Bytes of room and of input that were left by the last write. */
  readonly _writeState: Uint32Array;
}

interface Handle {
  writeSync(
    flush: number,
    input: Uint8Array,
    inputOffset: number,
    inputLength: number,
    output: Uint8Array,
    outputOffset: number,
    outputLength: number,
  ): void;
}

type Decoder = ReturnType<typeof createZstdDecompress> & Inner;

let decoder: Decoder | undefined;

/**
 * Decompresses a frame if it holds exactly as many bytes as `target` has room for.
 *
 * @returns False where it did not, or cannot here; then `target` holds nothing of use. True does not say that
 *   the frame ended well: compare the hash
 */
export function decompressInto(frame: Uint8Array, target: Uint8Array): boolean {
  if (frame.length === 0 || target.length === 0) return false;
  decoder ??= openDecoder();
  const handle = decoder?._handle;
  if (decoder === undefined || handle === undefined || handle === null) return false;
  handle.writeSync(constants.ZSTD_e_end, frame, 0, frame.length, target, 0, target.length);
  const [roomLeft, inputLeft] = decoder._writeState;
  if (!decoder.destroyed && roomLeft === 0 && inputLeft === 0) return true;
  // It may wait for the rest of this frame: the next one is for another.
  decoder.destroy();
  decoder = undefined;
  return false;
}

function openDecoder(): Decoder | undefined {
  if (!isKnownNode()) return undefined;
  const opened = createZstdDecompress() as unknown as Partial<Decoder>;
  const isKnown =
    typeof opened._handle?.writeSync === "function" &&
    opened._writeState instanceof Uint32Array &&
    opened._writeState.length === 2;
  if (!isKnown) return undefined;
  // Errors show in what it has written; their event has nobody to go to.
  opened.on?.("error", () => undefined);
  return opened as Decoder;
}
