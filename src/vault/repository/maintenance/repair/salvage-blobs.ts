/**
 * Copies the whole blobs of a damaged pack into new packs. One blob at a time: damage
 * is rare, and what is beside it must not be lost to it.
 *
 * @module
 */

import { isBackupError } from "../../../../domain/error.ts";
import type { IndexedPack, PackedBlob } from "../../../../format/restic/model.ts";
import { packName } from "../../objects.ts";
import { describeDifference, openBlob } from "../../read/decode-blobs.ts";
import type { Repository } from "../../repository.ts";
import type { PackWriter } from "../pack-writer.ts";

/** Returns the blobs that were copied; the others cannot be read from this pack. */
export async function salvageBlobs(
  repo: Repository,
  { id: pack, blobs }: IndexedPack,
  writer: PackWriter,
  signal: AbortSignal,
): Promise<readonly PackedBlob[]> {
  const copied: PackedBlob[] = [];
  for (const blob of blobs) {
    signal.throwIfAborted();
    const { offset, length } = blob;
    try {
      const parts = await Array.fromAsync(repo.storage.get(packName(pack), { offset, length }, signal));
      const box = Buffer.concat(parts);
      if (describeDifference(openBlob(repo.key, box, blob), blob) !== undefined) continue;
      await writer.addSealed(blob.id, blob.type, box, blob.uncompressedLength);
      copied.push(blob);
    } catch (error) {
      if (!isBackupError(error, "damaged", "not-found")) throw error;
    }
  }
  return copied;
}
