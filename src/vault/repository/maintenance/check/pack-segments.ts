/**
 * Cuts a pack into ranges that are read one after the other: whole blobs, and at the
 * end the header. Every byte is in exactly one range. Pure.
 *
 * @module
 */

import type { PackedBlob } from "../../../../format/restic/model.ts";

export interface PackSegment {
  readonly offset: number;
  readonly length: number;
  /** Those that lie in it, in order; none in what follows the last blob. */
  readonly blobs: readonly PackedBlob[];
}

export interface PackSegments {
  readonly segments: readonly PackSegment[];
  /** Blobs that cannot lie where the index says. */
  readonly misplaced: readonly { readonly blob: PackedBlob; readonly message: string }[];
}

/** Read and decoded together: enough that handing over costs nothing, and few enough for several packs at once. */
const segmentBytes = 2 * 1024 * 1024;

/** @param blobs in the order of their offsets */
export function planSegments(blobs: readonly PackedBlob[], sizeBytes: number): PackSegments {
  const misplaced: { blob: PackedBlob; message: string }[] = [];
  const segments: PackSegment[] = [];
  let start = 0;
  let end = 0;
  let inside: PackedBlob[] = [];
  const close = (): void => {
    if (inside.length > 0) segments.push({ offset: start, length: end - start, blobs: inside });
    inside = [];
    start = end;
  };
  for (const blob of blobs) {
    if (blob.offset < end) {
      misplaced.push({ blob, message: "the index says that it lies where another blob does" });
    } else if (blob.offset + blob.length > sizeBytes) {
      misplaced.push({ blob, message: "the pack ends before it does" });
    } else {
      inside.push(blob);
      end = blob.offset + blob.length;
      if (end - start >= segmentBytes) close();
    }
  }
  close();
  for (; end < sizeBytes; end += Math.min(segmentBytes, sizeBytes - end)) {
    segments.push({ offset: end, length: Math.min(segmentBytes, sizeBytes - end), blobs: [] });
  }
  return { segments, misplaced };
}
