/**
 * Gives away a snapshot that another program made, with every blob it needs, so that
 * another repository can keep it as it is: attributes we do not know, devices, pipes.
 *
 * @module
 */

import type { BackupOrigin } from "../../../domain/backup.ts";
import { copiedFromField, encodeCopiedFrom } from "../../../format/restic/copied-from.ts";
import type { ObjectId } from "../../../format/restic/model.ts";
import { encodeSnapshot } from "../../../format/restic/snapshot.ts";
import type { ForeignBlob, ForeignSnapshot } from "../../vault.ts";
import type { FoundSnapshot } from "../find-snapshot.ts";
import { BlobSet } from "../maintenance/blob-set.ts";
import { replacesField } from "../maintenance/load-snapshots.ts";
import { type BlobSource, walkTrees } from "../maintenance/walk-trees.ts";
import { blobError, findBlob } from "../read/blob-fetch.ts";
import type { WantedBlob } from "../read/blob-ranges.ts";
import { plainLengthOf } from "../read/decode-blobs.ts";

/** Held in memory while they are stored: enough that neighbours of a pack come in one request. */
const batchBytesMax = 16 * 1024 * 1024;

/**
 * @param source Disposed by whoever opened it
 * @param origin What the copy was copied from; of a copy of a copy still the first
 */
export function offerSnapshot(
  source: BlobSource,
  { document }: Pick<FoundSnapshot, "document">,
  origin: BackupOrigin,
): ForeignSnapshot {
  const { parent: _, ...kept } = document;
  const others = new Map(document.others);
  // What a repair put it in the place of is not there.
  others.delete(replacesField);
  others.set(copiedFromField, encodeCopiedFrom(origin));
  return {
    // As restic's own copy: what it was copied from is its original. What it was made after is not there.
    document: encodeSnapshot({ ...kept, original: origin.id, others }).toString("latin1"),
    blobs: (isWanted, signal) => blobsOf(source, document.tree, isWanted, signal),
  };
}

async function* blobsOf(
  source: BlobSource,
  root: ObjectId,
  isWanted: (blob: Pick<ForeignBlob, "id" | "type">) => boolean,
  signal: AbortSignal,
): AsyncGenerator<ForeignBlob> {
  const needed = await neededBlobs(source, root, signal);
  let batch: WantedBlob[] = [];
  let bytes = 0;
  for (let ordinal = 0; ordinal < needed.size; ordinal++) {
    const { id, type } = needed.at(ordinal);
    if (!isWanted({ id, type })) continue;
    const place = findBlob(source.index, id, type);
    if ("message" in place) throw blobError(place, `a ${type} blob`);
    if (bytes + plainLengthOf(place) > batchBytesMax && batch.length > 0) {
      yield* loadBatch(source, batch, signal);
      [batch, bytes] = [[], 0];
    }
    batch.push({ place, at: 0 });
    bytes += plainLengthOf(place);
  }
  if (batch.length > 0) yield* loadBatch(source, batch, signal);
}

/** All of them, whatever the other side has: a tree that is there says nothing of what it names. */
async function neededBlobs(source: BlobSource, root: ObjectId, signal: AbortSignal): Promise<BlobSet> {
  const needed = new BlobSet();
  const visitor: Parameters<typeof walkTrees>[2] = {
    tree: (id, nodes) => {
      needed.add(id, "tree");
      for (const { content = [] } of nodes) for (const blob of content) needed.add(blob, "data");
    },
    lost: (id, message) => {
      throw blobError({ id, type: "tree", pack: source.index.find(id, "tree")?.pack, message }, "a folder");
    },
  };
  await walkTrees(source, [root], visitor, signal);
  return needed;
}

async function* loadBatch(
  { fetcher }: BlobSource,
  batch: readonly WantedBlob[],
  signal: AbortSignal,
): AsyncGenerator<ForeignBlob> {
  signal.throwIfAborted();
  const loaded = await fetcher.loadBytes(batch, signal);
  try {
    for (const failure of loaded.failures.values()) throw blobError(failure, `a ${failure.type} blob`);
    for (const [{ place }, bytes] of loaded.bytes) yield { id: place.id, type: place.type, bytes };
  } finally {
    loaded.release();
  }
}
