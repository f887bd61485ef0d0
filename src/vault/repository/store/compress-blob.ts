/**
 * Decides how a blob lies in its pack: as a zstd frame, or as it is where a frame
 * would not be smaller.
 *
 * @module
 */

import { ZstdFrames } from "../../../encode/zstd-frames.ts";

/**
 * libzstd's level 1 makes of text what restic's default makes of it within 4 %, in little more
 * than half the time of level 3; the bench says how much exactly.
 */
export const defaultLevel = 1;

/** Below it nothing is gained that a frame's own bytes do not take away. */
const worthwhileBytesMin = 64;
/** Compressing less outright is quicker than to look first. */
const probedBytesMin = 128 * 1024;
const pieceBytes = 1024;
/** Spread over the blob, so that a head that does not compress does not hide a tail that does. */
const pieceCount = 16;
/** What a sample must come down to before the whole is tried. */
const worthwhileRatio = 0.97;

const sample = Buffer.alloc(pieceBytes * pieceCount);

/** By level; of this thread. */
const framesOf = new Map<number, ZstdFrames>();

/** A frame, valid until the next call of anything here. */
export function frameBlob(plain: Uint8Array, level: number): Uint8Array {
  let frames = framesOf.get(level);
  if (frames === undefined) {
    frames = new ZstdFrames(level);
    framesOf.set(level, frames);
  }
  return frames.frame(plain);
}

/** The frame as of {@link frameBlob}, or undefined where the bytes are better stored as they are. */
export function compressBlob(plain: Uint8Array, level: number): Uint8Array | undefined {
  if (plain.length < worthwhileBytesMin) return undefined;
  if (plain.length >= probedBytesMin && !looksCompressible(plain)) return undefined;
  const frame = frameBlob(plain, level);
  return frame.length < plain.length ? frame : undefined;
}

function looksCompressible(plain: Uint8Array): boolean {
  const step = (plain.length - pieceBytes) / (pieceCount - 1);
  for (let i = 0; i < pieceCount; i++) {
    const start = Math.floor(i * step);
    sample.set(plain.subarray(start, start + pieceBytes), i * pieceBytes);
  }
  return frameBlob(sample, 1).length < sample.length * worthwhileRatio;
}
