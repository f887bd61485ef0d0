/**
 * Reads a whole pack that is a file of this machine: its hash, every blob, and its
 * last bytes, each byte once while it is in the processor's cache. Synchronous, for threads.
 *
 * @module
 */

import { createHash } from "node:crypto";
import type { MasterKey, PackedBlob } from "../../../format/restic/model.ts";
import { checkBlob, type DecodeFailure } from "./decode-blobs.ts";
import { PackFile } from "./pack-file.ts";

export interface InspectTask {
  readonly wholeFile: string;
  readonly sizeBytes: number;
  /** In the order of their offsets, none over another, all within the file. */
  readonly blobs: readonly PackedBlob[];
  /** How many of the last bytes are asked for. */
  readonly tailBytesMax: number;
}

export interface InspectedFile {
  readonly failures: readonly DecodeFailure[];
  readonly sha256: string;
  /** Bytes that were there. */
  readonly sizeBytes: number;
  /** What follows the last blob, or the last part of that. */
  readonly tail: Uint8Array;
}

/** Read at once of what is no blob. */
const stepBytes = 512 * 1024;

/** Throws what the file system says where the file cannot be read. */
export function inspectFile(key: MasterKey, task: InspectTask): InspectedFile {
  const { wholeFile, sizeBytes, blobs, tailBytesMax } = task;
  using file = new PackFile({ path: wholeFile, offset: 0, length: sizeBytes });
  const hash = createHash("sha256");
  const failures: DecodeFailure[] = [];
  let position = 0;
  const skipTo = (end: number, onBytes: (bytes: Uint8Array) => void): void => {
    while (position < end) {
      const bytes = file.slice(position, Math.min(stepBytes, end - position));
      if (bytes.length === 0) return;
      hash.update(bytes);
      onBytes(bytes);
      position += bytes.length;
    }
  };
  for (const [index, blob] of blobs.entries()) {
    skipTo(blob.offset, () => undefined);
    const box = file.slice(blob.offset, blob.length);
    hash.update(box);
    position += box.length;
    const state = checkBlob(key, box, { ...blob, at: 0 });
    if (state !== undefined) failures.push({ index, state });
  }
  const tail: Uint8Array[] = [];
  skipTo(sizeBytes, (bytes) => {
    // Copied: the memory is used again. What lies too far from the end is not wanted.
    if (position + bytes.length > sizeBytes - tailBytesMax) tail.push(bytes.slice());
  });
  const all = Buffer.concat(tail);
  return {
    failures,
    sha256: hash.digest("hex"),
    sizeBytes: position,
    tail: all.subarray(Math.max(0, all.length - tailBytesMax)),
  };
}
