/**
 * Guesses from a few samples whether bytes are worth compressing, so that media
 * and archives are not worked on in vain. A wrong guess costs time or space, never bytes.
 *
 * @module
 */

import { deflateRawSync } from "node:zlib";

const pieceBytes = 1024;
/** Spread over the data, so that a head that does not compress does not hide a tail that does. */
const pieceCount = 16;
/** Less than this saved by a quick deflate of the sample is not worth the slow one. */
const worthwhileRatio = 0.97;
/** Sum of squared byte counts of a piece of random bytes, times 1.5: above it some bytes are clearly more common. */
const skewedSum = 1.5 * ((pieceBytes * pieceBytes) / 256 + pieceBytes);

const counts = new Uint16Array(256);
const sample = Buffer.alloc(pieceBytes * pieceCount);

/** Tells whether `data` looks compressible; undefined where it is too short to tell. */
export function looksCompressible(data: Uint8Array): boolean | undefined {
  if (data.length < pieceBytes) return undefined;
  const pieces = Math.min(pieceCount, Math.floor(data.length / pieceBytes));
  const step = pieces === 1 ? 0 : (data.length - pieceBytes) / (pieces - 1);
  for (let i = 0; i < pieces; i++) {
    const start = Math.floor(i * step);
    if (isSkewed(data, start)) return true;
    sample.set(data.subarray(start, start + pieceBytes), i * pieceBytes);
  }
  // Even byte counts can still hide repetition, which only a real attempt shows.
  const sampled = sample.subarray(0, pieces * pieceBytes);
  return deflateRawSync(sampled, { level: 1 }).length < sampled.length * worthwhileRatio;
}

function isSkewed(data: Uint8Array, start: number): boolean {
  counts.fill(0);
  for (let i = start; i < start + pieceBytes; i++) counts[data[i]!]!++;
  let sum = 0;
  for (let value = 0; value < 256; value++) sum += counts[value]! * counts[value]!;
  return sum > skewedSum;
}
