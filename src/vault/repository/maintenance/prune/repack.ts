/**
 * Copies what is needed of packs into new ones. Blobs stay in their envelopes; each is
 * opened and hashed on the way (I6), so that damage is found before the old pack goes.
 *
 * @module
 */

import { BackupError } from "../../../../domain/error.ts";
import { Permits } from "../../../../encode/permits.ts";
import { packName } from "../../objects.ts";
import { type PackRange, planRanges } from "../../read/blob-ranges.ts";
import type { BlobThreads } from "../../read/blob-threads.ts";
import { openBlob } from "../../read/decode-blobs.ts";
import { readFailure } from "../../read/read-failure.ts";
import type { BlobLookup, BlobPlace, Repository } from "../../repository.ts";
import type { PackWriter } from "../pack-writer.ts";
import type { ProgressMeter } from "../progress-meter.ts";

/** Ranges of some 4 MiB in flight: reading, checking and writing go on at the same time. */
const rangesAtOnce = 4;

export interface RepackPlace {
  readonly repo: Repository;
  readonly index: BlobLookup;
  readonly threads: BlobThreads;
  readonly writer: PackWriter;
  readonly meter: ProgressMeter;
}

/**
 * Copies blobs, each of which is in `blobs` once.
 *
 * @throws {BackupError} `damaged` if one cannot be read from any pack
 */
export async function copyBlobs(
  place: RepackPlace,
  blobs: Iterable<readonly BlobPlace[]>,
  signal: AbortSignal,
): Promise<void> {
  const permits = new Permits(rangesAtOnce);
  const running = new Set<Promise<void>>();
  let failure: { readonly error: unknown } | undefined;
  const start = (range: PackRange): void => {
    const copying = permits
      .run(async () => {
        if (failure === undefined) await copyRange(place, range, signal);
      })
      .catch((error: unknown) => {
        failure ??= { error };
      })
      .finally(() => running.delete(copying));
    running.add(copying);
  };
  try {
    for (const ofPack of blobs) {
      const wanted = ofPack.map((blob, at) => ({ place: blob, at }));
      for (const range of planRanges(wanted)) {
        signal.throwIfAborted();
        start(range);
        if (running.size >= rangesAtOnce) await Promise.race(running);
        if (failure !== undefined) break;
      }
    }
  } finally {
    // Also when cancelled: whoever gives the writer up counts on nothing being added to it any more.
    await Promise.all(running);
  }
  if (failure !== undefined) throw failure.error;
}

async function copyRange(place: RepackPlace, range: PackRange, signal: AbortSignal): Promise<void> {
  const { bytes, faults } = await readRange(place, range, signal);
  for (const [index, { place: blob }] of range.blobs.entries()) {
    const at = blob.offset - range.offset;
    const fault = faults.get(index);
    if (fault === undefined) await addCopy(place, blob, bytes.subarray(at, at + blob.length));
    else await copyFromElsewhere(place, blob, fault, signal);
  }
  place.meter.add(range.blobs.length, range.length);
}

interface CheckedRange {
  readonly bytes: Uint8Array;
  /** What is wrong with a blob, by its position in the range. */
  readonly faults: ReadonlyMap<number, string>;
}

async function readRange(
  { repo, threads }: RepackPlace,
  { pack, offset, length, blobs }: PackRange,
  signal: AbortSignal,
): Promise<CheckedRange> {
  const pieces: Uint8Array[] = [];
  const bytes = Buffer.allocUnsafeSlow(length);
  let size = 0;
  try {
    for await (const piece of repo.storage.get(packName(pack), { offset, length }, signal)) {
      bytes.set(piece, size);
      size += piece.length;
      pieces.push(piece);
    }
  } catch (error) {
    const state = await readFailure(repo.storage, error, signal);
    return { bytes, faults: new Map(blobs.map((_, index) => [index, state])) };
  }
  const failures = await threads.decode({
    pieces,
    blobs: blobs.map(({ place }) => ({ ...place, offset: place.offset - offset, at: 0 })),
  });
  return { bytes, faults: new Map(failures.map(({ index, state }) => [index, state])) };
}

async function addCopy({ repo, writer }: RepackPlace, blob: BlobPlace, box: Uint8Array): Promise<void> {
  const { id, type, uncompressedLength } = blob;
  if (repo.config.version >= 2 && type === "tree" && uncompressedLength === undefined) {
    // What version 1 wrote: trees are compressed now.
    await writer.add(id, type, openBlob(repo.key, box, blob));
  } else await writer.addSealed(id, type, box, uncompressedLength);
}

/** From another pack, or by itself: what cannot be read may lie beside it. */
async function copyFromElsewhere(
  place: RepackPlace,
  blob: BlobPlace,
  fault: string,
  signal: AbortSignal,
): Promise<void> {
  for (const other of place.index.findAll(blob.id, blob.type)) {
    const [range] = planRanges([{ place: other, at: 0 }]);
    if (range === undefined) continue;
    const { bytes, faults } = await readRange(place, range, signal);
    if (faults.size > 0) continue;
    return await addCopy(place, other, bytes);
  }
  throw new BackupError(
    "damaged",
    `Cannot prune: ${blob.type} ${blob.id} of pack ${blob.pack} is needed and cannot be read: ${fault}`,
    {
      hint: "Nothing was removed. Look at the disk, then run verify --read-data to see which backups are affected.",
    },
  );
}
