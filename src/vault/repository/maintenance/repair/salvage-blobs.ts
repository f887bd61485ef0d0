/**
 * Copies the whole blobs of a damaged pack into new packs. One blob at a time: damage
 * is rare, and what is beside it must not be lost to it.
 *
 * @module
 */

import type { IndexedPack, ObjectId, PackedBlob } from "../../../../format/restic/model.ts";
import { packName } from "../../objects.ts";
import { describeDifference, openBlob } from "../../read/decode-blobs.ts";
import { readFailure } from "../../read/read-failure.ts";
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
    const box = await readWhole(repo, pack, blob, signal);
    if (box === undefined) continue;
    await writer.addSealed(blob.id, blob.type, box, blob.uncompressedLength);
    copied.push(blob);
  }
  return copied;
}

/** Undefined where it cannot be read, or is not what it should be. */
async function readWhole(
  repo: Repository,
  pack: ObjectId,
  blob: PackedBlob,
  signal: AbortSignal,
): Promise<Buffer | undefined> {
  const { offset, length } = blob;
  try {
    const parts = await Array.fromAsync(repo.storage.get(packName(pack), { offset, length }, signal));
    const box = Buffer.concat(parts);
    return describeDifference(openBlob(repo.key, box, blob), blob) === undefined ? box : undefined;
  } catch (error) {
    await readFailure(repo.storage, error, signal);
    return undefined;
  }
}
