/**
 * zstd frames of bytes that do not shrink: their blocks hold the bytes as they are.
 * Copying them here spares the decoder's own memory and a second copy; most of what
 * media files are stored as is such. Source: RFC 8878, section 3.1.
 *
 * @module
 */

const magic = 0xfd2fb528;

/** Bytes of a dictionary's id and of the content's size, by the header's flags. */
const dictionaryIdBytes: readonly number[] = [0, 1, 2, 4];
const contentSizeBytes: readonly number[] = [0, 2, 4, 8];

const blockHeaderBytes = 3;
const rawBlock = 0;
const repeatedBlock = 1;

/**
 * Copies what a frame holds to the beginning of `target`, if none of its blocks is compressed.
 *
 * @returns How many bytes it holds; undefined where this is not such a frame, is damaged, or holds more
 *   than there is room for. Then `target` holds nothing of use, and the real decoder has to say what it is
 */
export function copyStoredFrame(frame: Uint8Array, target: Uint8Array): number | undefined {
  let at = blocksOffset(frame);
  if (at === undefined) return undefined;
  let written = 0;
  for (let isLast = false; !isLast; ) {
    if (at + blockHeaderBytes > frame.length) return undefined;
    const header = (frame[at] ?? 0) | ((frame[at + 1] ?? 0) << 8) | ((frame[at + 2] ?? 0) << 16);
    isLast = (header & 1) === 1;
    const type = (header >> 1) & 3;
    const size = header >> 3;
    at += blockHeaderBytes;
    if ((type !== rawBlock && type !== repeatedBlock) || written + size > target.length) return undefined;
    const stored = type === rawBlock ? size : 1;
    if (at + stored > frame.length) return undefined;
    if (type === rawBlock) target.set(frame.subarray(at, at + size), written);
    else target.fill(frame[at] ?? 0, written, written + size);
    at += stored;
    written += size;
  }
  // Further frames are the decoder's business.
  return at === frame.length ? written : undefined;
}

/** Where the blocks begin; undefined for what is no frame, and for one with a checksum, which is not compared here. */
function blocksOffset(frame: Uint8Array): number | undefined {
  if (frame.length < 6) return undefined;
  const found =
    ((frame[0] ?? 0) | ((frame[1] ?? 0) << 8) | ((frame[2] ?? 0) << 16) | ((frame[3] ?? 0) << 24)) >>> 0;
  const descriptor = frame[4] ?? 0;
  const hasChecksum = (descriptor & 4) !== 0;
  const hasReserved = (descriptor & 8) !== 0;
  if (found !== magic || hasChecksum || hasReserved) return undefined;
  const isSingleSegment = (descriptor & 32) !== 0;
  const sizeFlag = descriptor >> 6;
  const sizeBytes = sizeFlag === 0 && isSingleSegment ? 1 : (contentSizeBytes[sizeFlag] ?? 0);
  const windowBytes = isSingleSegment ? 0 : 1;
  return 5 + windowBytes + (dictionaryIdBytes[descriptor & 3] ?? 0) + sizeBytes;
}
