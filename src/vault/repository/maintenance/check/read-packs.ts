/**
 * Reads packs in full, several at once, and notes what is wrong with them.
 *
 * @module
 */

import type { Observer } from "../../../../domain/progress.ts";
import type { BlobIndex } from "../../blob-index.ts";
import { packName } from "../../objects.ts";
import type { BlobThreads } from "../../read/blob-threads.ts";
import type { Repository } from "../../repository.ts";
import type { DamageList } from "../damage-list.ts";
import { ProgressMeter } from "../progress-meter.ts";
import type { BlobJudge } from "./blob-judge.ts";
import type { SizedPack } from "./choose-packs.ts";
import { type InspectedPack, inspectPack } from "./inspect-pack.ts";

/** Packs read at once: hides the latency of a network. Each holds two segments, some 4 MB, in memory. */
const packsAtOnce = 4;

export interface PackReaderPlace {
  readonly repo: Repository;
  readonly threads: BlobThreads;
  readonly observer: Observer;
  readonly judge: BlobJudge;
  readonly damages: DamageList;
}

export interface PacksRead {
  readonly bytes: number;
  /** Things that are wrong, all of which are in `damages` now. */
  readonly findings: number;
}

/** Reads the chosen packs. */
export async function readPacks(
  place: PackReaderPlace,
  index: BlobIndex,
  chosen: readonly SizedPack[],
  signal: AbortSignal,
): Promise<PacksRead> {
  if (chosen.length === 0) return { bytes: 0, findings: 0 };
  const wanted = new Map(chosen.map(({ id, sizeBytes }) => [id, sizeBytes] as const));
  const totals = { items: wanted.size, bytes: chosen.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) };
  const meter = new ProgressMeter(place.observer, place.repo.clock, "verify", totals);
  const packs = index.packs();
  let failed = false;
  let findings = 0;
  const takeOne = async (): Promise<void> => {
    for (let next = packs.next(); next.done !== true && !failed; next = packs.next()) {
      const sizeBytes = wanted.get(next.value.id);
      if (sizeBytes === undefined) continue;
      try {
        signal.throwIfAborted();
        const found = await readOne(place, { ...next.value, sizeBytes }, meter, signal);
        findings += found;
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: packsAtOnce }, takeOne));
  meter.finish();
  return { bytes: meter.bytes, findings };
}

async function readOne(
  place: PackReaderPlace,
  pack: InspectedPack,
  meter: ProgressMeter,
  signal: AbortSignal,
): Promise<number> {
  const { repo, threads, judge, damages } = place;
  const onBytes = (count: number): void => meter.add(0, count);
  const findings = await inspectPack(repo, threads, pack, onBytes, signal);
  meter.add(1, 0);
  for (const { blob, message, isUnread } of findings) {
    if (isUnread === true) judge.packIsUnread(pack.id);
    if (blob === undefined) judge.packIsDamaged(pack.id);
    else judge.blobIsDamaged(pack.id, blob, message);
    damages.add(packName(pack.id), blob === undefined ? message : `${blob.type} blob ${blob.id}: ${message}`);
  }
  return findings.length;
}
