/**
 * zstd as restic uses it: one frame, no checksum of its own, because what is
 * compressed is authenticated and hashed outside. Synchronous, for workers.
 *
 * @module
 */

import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { BackupError, errorText } from "../domain/error.ts";

/** restic's own default; levels are libzstd's, 1 to 22. */
const defaultLevel = 3;

/** What a frame adds at most to bytes that do not shrink: header, and 3 bytes for each block of 128 KiB. */
const frameOverheadBytes = 64;
const bytesPerBlock = 128 * 1024;

/**
 * The decoder's first buffer, where more is allowed than a frame will hold: times its length, but never less than
 * the second number, nor more than the third. What is larger comes in several.
 */
const usualRatioMax = 12;
const firstBufferBytesMin = 16 * 1024;
const firstBufferBytesMax = 16 * 1024 * 1024;

/** A first buffer that is filled to its last byte makes the decoder ask for a second as large: almost half of the time. */
const spareBytes = 1;

/** What a frame of so many bytes takes at most. */
export function frameBytesMax(plainBytes: number): number {
  return plainBytes + Math.ceil(plainBytes / bytesPerBlock) * 3 + frameOverheadBytes;
}

/** One zstd frame that carries its content's size. Also where it is larger than what went in. */
export function compress(bytes: Uint8Array, level: number = defaultLevel): Buffer {
  return zstdCompressSync(bytes, {
    chunkSize: frameBytesMax(bytes.byteLength),
    params: { [constants.ZSTD_c_compressionLevel]: level },
  });
}

/**
 * What a frame holds. Give the exact size as `sizeBytesMax` where it is known: the buffer is made once then.
 *
 * @throws {BackupError} `damaged` if it is not a zstd frame, ends early, or holds more than `sizeBytesMax`
 */
export function decompress(bytes: Uint8Array, sizeBytesMax: number): Buffer {
  // Node takes no input for an empty output.
  if (bytes.byteLength === 0) throw damaged("it is empty", undefined);
  try {
    return zstdDecompressSync(bytes, {
      maxOutputLength: Math.max(1, sizeBytesMax),
      chunkSize: firstBufferBytes(bytes.byteLength, sizeBytesMax),
    });
  } catch (error) {
    throw damaged(errorText(error), error);
  }
}

function firstBufferBytes(frameBytes: number, sizeBytesMax: number): number {
  const usual = Math.min(firstBufferBytesMax, Math.max(firstBufferBytesMin, frameBytes * usualRatioMax));
  // Node takes no buffer smaller than 64 bytes.
  return Math.max(64, Math.min(usual, sizeBytesMax + spareBytes));
}

function damaged(state: string, cause: unknown): BackupError {
  return new BackupError("damaged", `Cannot decompress stored bytes: ${state}`, { cause });
}
