/**
 * Which packs a check reads in full. Pure but for the random numbers handed in.
 *
 * @module
 */

import { BackupError } from "../../../../domain/error.ts";
import type { ObjectId } from "../../../../format/restic/model.ts";
import type { CheckOptions } from "../../../maintenance.ts";

/** A pack that is there. */
export interface SizedPack {
  readonly id: ObjectId;
  readonly sizeBytes: number;
}

/** More parts than this would leave most of them empty in any repository. */
const partsMax = 1_000_000;

/**
 * - a part of several: by the pack's name, so that all parts together are all packs, whatever is added meanwhile
 * - a percentage, or bytes: chosen at random, one pack at least
 *
 * @param random from 0 to below 1
 * @throws {BackupError} `invalid-input` for numbers that make no sense
 */
export function choosePacks<P extends SizedPack>(
  packs: readonly P[],
  readData: CheckOptions["readData"],
  random: () => number,
): readonly P[] {
  if (readData === "none") return [];
  if (readData === "all") return packs;
  if ("part" in readData) return partOf(packs, readData.part, readData.of);
  if ("percent" in readData) {
    if (!(readData.percent > 0 && readData.percent <= 100)) refuse(`${readData.percent} percent`);
    return shuffled(packs, random).slice(0, Math.max(1, Math.round((packs.length * readData.percent) / 100)));
  }
  if (!(readData.bytes > 0)) refuse(`${readData.bytes} bytes`);
  return upTo(shuffled(packs, random), readData.bytes);
}

function partOf<P extends SizedPack>(packs: readonly P[], part: number, of: number): readonly P[] {
  const isPart = Number.isInteger(part) && Number.isInteger(of) && part >= 1 && part <= of && of <= partsMax;
  if (!isPart) refuse(`part ${part} of ${of}`);
  return packs.filter(({ id }) => Number.parseInt(id.slice(0, 8), 16) % of === part - 1);
}

/** Packs until the bytes are reached: the one that reaches them counts too. */
function upTo<P extends SizedPack>(packs: readonly P[], bytes: number): readonly P[] {
  let sum = 0;
  return packs.filter(({ sizeBytes }) => {
    if (sum >= bytes) return false;
    sum += sizeBytes;
    return true;
  });
}

/** Fisher and Yates. */
function shuffled<P>(packs: readonly P[], random: () => number): P[] {
  const all = [...packs];
  for (let left = all.length - 1; left > 0; left--) {
    const other = Math.floor(random() * (left + 1));
    [all[left], all[other]] = [all[other] as P, all[left] as P];
  }
  return all;
}

function refuse(what: string): never {
  throw new BackupError("invalid-input", `Cannot choose the packs to read: ${what} makes no sense`, {
    hint: "Give a part of several such as 1/5, a percentage up to 100, or a size.",
  });
}
