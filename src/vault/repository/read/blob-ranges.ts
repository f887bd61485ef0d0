/**
 * Which parts of which packs are read for a set of blobs: neighbours in one
 * request, what lies between them only where that is cheaper than asking twice. Pure.
 *
 * @module
 */

import type { ObjectId } from "../../../format/restic/model.ts";
import type { BlobPlace } from "../repository.ts";
import { plainLengthOf } from "./decode-blobs.ts";
import type { Destination } from "./write-data.ts";

/** A blob to be read, and where its plain bytes go. */
export interface WantedBlob {
  readonly place: BlobPlace;
  readonly at: number;
  /** Files it is written into as well, once it is verified. */
  readonly to?: readonly Destination[];
}

export interface PackRange {
  readonly pack: ObjectId;
  readonly offset: number;
  readonly length: number;
  /** In the order of their offsets. */
  readonly blobs: readonly WantedBlob[];
}

/** Larger ranges are cut: several in flight hide more latency than one, and decode on several threads. */
const rangeBytesMax = 4 * 1024 * 1024;

/** So is what decodes to more: it takes as much memory. */
const plainBytesMax = 4 * 1024 * 1024;

/** Bytes between two blobs that are read and thrown away: fewer take less time than another request. */
const gapBytesMax = 128 * 1024;

/** Every blob lies in exactly one range; ranges come in the order of the first blob that needs them. */
export function planRanges(wanted: readonly WantedBlob[]): readonly PackRange[] {
  const byPack = new Map<ObjectId, WantedBlob[]>();
  for (const blob of wanted) {
    const same = byPack.get(blob.place.pack);
    if (same === undefined) byPack.set(blob.place.pack, [blob]);
    else same.push(blob);
  }
  const ranges: PackRange[] = [];
  for (const [pack, blobs] of byPack) {
    blobs.sort((a, b) => a.place.offset - b.place.offset);
    let start = 0;
    let plainBytes = 0;
    for (const [i, blob] of blobs.entries()) {
      const bytes = plainLengthOf(blob.place);
      if (i > start && (plainBytes + bytes > plainBytesMax || !belongs(blobs, start, i))) {
        ranges.push(rangeOf(pack, blobs.slice(start, i)));
        start = i;
        plainBytes = 0;
      }
      plainBytes += bytes;
    }
    ranges.push(rangeOf(pack, blobs.slice(start)));
  }
  return ranges.sort((a, b) => firstUse(a) - firstUse(b));
}

/** Whether blob `i` goes into the range that begins with blob `start`. */
function belongs(blobs: readonly WantedBlob[], start: number, i: number): boolean {
  const first = blobs[start]?.place;
  const before = blobs[i - 1]?.place;
  const next = blobs[i]?.place;
  if (first === undefined || before === undefined || next === undefined) return false;
  const isNear = next.offset - (before.offset + before.length) <= gapBytesMax;
  return isNear && next.offset + next.length - first.offset <= rangeBytesMax;
}

function rangeOf(pack: ObjectId, blobs: readonly WantedBlob[]): PackRange {
  const offset = blobs[0]?.place.offset ?? 0;
  // Places that overlap are hostile, but no reason to read less than a blob has.
  const end = blobs.reduce((most, { place }) => Math.max(most, place.offset + place.length), offset);
  return { pack, offset, length: end - offset, blobs };
}

function firstUse(range: PackRange): number {
  return range.blobs.reduce((least, { at }) => Math.min(least, at), Number.POSITIVE_INFINITY);
}
