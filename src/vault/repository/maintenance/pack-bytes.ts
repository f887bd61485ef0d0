/**
 * How large a pack is by what lies in it: blobs one after the other, the sealed
 * header with an entry for each, and the header's length. Pure.
 *
 * @module
 */

import { boxOverheadBytes } from "../../../format/restic/crypto-box.ts";
import type { PackedBlob } from "../../../format/restic/model.ts";
import { packHeaderEntryBytes } from "../../../format/restic/pack-header.ts";

/** The length of the header, at the very end. */
export const lengthFieldBytes = 4;

/** Bytes of a pack besides its blobs and their entries. */
export const headerFrameBytes: number = boxOverheadBytes + lengthFieldBytes;

/** What a blob adds to its pack: itself and its entry. */
export function bytesInPack(blob: PackedBlob): number {
  return blob.length + packHeaderEntryBytes(blob.uncompressedLength !== undefined);
}

/** Size of the file that holds exactly these blobs. */
export function packBytes(blobs: readonly PackedBlob[]): number {
  return blobs.reduce((sum, blob) => sum + bytesInPack(blob), headerFrameBytes);
}
