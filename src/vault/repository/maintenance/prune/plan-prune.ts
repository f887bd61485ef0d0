/**
 * Which packs a prune keeps, rewrites and removes. Pure arithmetic over the table
 * of packs, by restic's rules: what nothing needs goes; tree packs are rewritten
 * as soon as part of them is unused, data packs until little enough is; packs that
 * are too small are joined once there are many.
 *
 * @module
 */

import { BackupError } from "../../../../domain/error.ts";
import type { ObjectId } from "../../../../format/restic/model.ts";
import type { PrunePlan } from "../../../maintenance.ts";
import type { PackTable, TabledPack } from "./pack-table.ts";

/** Smaller packs than this cost more in requests and listing than they hold. restic's value. */
const smallPackBytes = 1024 * 1024;

/** So few small packs are not worth rewriting; also keeps one small rest from being rewritten each time. restic's value. */
const smallPacksMin = 10;

/** Names in the message of a refusal; more would not help anyone. */
const namedMax = 5;

/** What of a plan is about packs. */
type PackSummary = Omit<PrunePlan, "backups" | "recordsRemoved">;

/** What is to be done with the files in `data/`. Each list in the order of the index, or of the listing. */
export interface PackPlan {
  readonly summary: PackSummary;
  /** Needed in part: their blobs are copied into new packs, then they go. */
  readonly repack: readonly TabledPack[];
  /** Not needed at all. */
  readonly remove: readonly TabledPack[];
  /** There, but in no index: what an interrupted backup left. */
  readonly unindexed: readonly ObjectId[];
  /** In an index, not needed, and not there. */
  readonly gone: readonly ObjectId[];
  /** By ordinal of a needed blob: 1 where it must be copied. */
  readonly blobsToCopy: Uint8Array;
}

export interface PlanOptions {
  /** Version 2 has its trees compressed. */
  readonly version: 1 | 2;
  /** Unused bytes that may stay, in percent of those in use. Infinite: nothing is rewritten, for a disk that is full. */
  readonly maxUnusedPercent: number;
  /** Takes the place of the percentage. */
  readonly maxUnusedBytes?: number | undefined;
}

/**
 * @param table all packs of all indexes, copies not yet chosen
 * @param stored size of every pack that is there
 * @throws {BackupError} `damaged` if something needed is missing, or a needed pack has the wrong size
 */
export function planPrune(
  table: PackTable,
  stored: ReadonlyMap<ObjectId, number>,
  options: PlanOptions,
): PackPlan {
  refuseMissingBlobs(table);
  table.chooseCopies();
  const usedPacks = table.packs.filter((pack) => pack.usedBlobs > 0);
  refuseMissingPacks(usedPacks, stored);
  const unusedPacks = table.packs.filter((pack) => pack.usedBlobs === 0);
  const remove = unusedPacks.filter((pack) => stored.has(pack.id));
  const gone = unusedPacks.filter((pack) => !stored.has(pack.id)).map((pack) => pack.id);
  const unindexed = [...stored.keys()].filter((id) => table.numberOf(id) === undefined);
  const repack = chooseRepack(usedPacks, options);
  const going = new Set([...repack, ...unusedPacks].map((pack) => table.numberOf(pack.id)));
  const blobsToCopy = table.blobsToCopy((pack) => !going.has(pack));
  const unindexedBytes = unindexed.reduce((sum, id) => sum + (stored.get(id) ?? 0), 0);
  const removedBytes = unindexedBytes + remove.reduce((sum, pack) => sum + (stored.get(pack.id) ?? 0), 0);
  const repackedUnused = sumOf(repack, unusedBytes);
  const summary: PackSummary = {
    packsKept: usedPacks.length - repack.length,
    packsRepacked: repack.length,
    packsRemoved: remove.length + unindexed.length,
    bytesUsed: sumOf(usedPacks, (pack) => pack.usedBytes),
    bytesUnused: removedBytes + sumOf(usedPacks, unusedBytes),
    bytesRepacked: sumOf(repack, (pack) => pack.bytes),
    bytesFreed: removedBytes + repackedUnused,
    bytesUnusedAfter: sumOf(usedPacks, unusedBytes) - repackedUnused,
  };
  return { summary, repack, remove, unindexed, gone, blobsToCopy };
}

function chooseRepack(used: readonly TabledPack[], options: PlanOptions): readonly TabledPack[] {
  const usedBytes = sumOf(used, (pack) => pack.usedBytes);
  const limit = options.maxUnusedBytes ?? (usedBytes * options.maxUnusedPercent) / 100;
  if (limit === Number.POSITIVE_INFINITY) return [];
  const small = used.filter((pack) => isWhole(pack, options) && pack.bytes < smallPackBytes);
  const candidates = used.filter((pack) => !isWhole(pack, options));
  if (small.length >= smallPacksMin) candidates.push(...small);
  candidates.sort(byUrgency);
  let left = sumOf(used, unusedBytes);
  return candidates.filter((pack) => {
    const always = pack.type !== "data" || pack.bytes < smallPackBytes;
    if (!always && left <= limit) return false;
    left -= unusedBytes(pack);
    return true;
  });
}

/** Nothing in it asks for rewriting. */
function isWhole(pack: TabledPack, { version }: PlanOptions): boolean {
  const mustCompress = version === 2 && pack.type === "tree" && pack.plain;
  return pack.usedBlobs === pack.blobs && pack.type !== "mixed" && !mustCompress;
}

/** Trees and mixed packs first, then small ones, then by the share that is unused. */
function byUrgency(a: TabledPack, b: TabledPack): number {
  return rank(a) - rank(b) || unusedShare(b) - unusedShare(a) || (a.id < b.id ? -1 : 1);
}

function rank(pack: TabledPack): number {
  return pack.type !== "data" ? 0 : pack.bytes < smallPackBytes ? 1 : 2;
}

function unusedShare(pack: TabledPack): number {
  return unusedBytes(pack) / pack.blobBytes;
}

function unusedBytes(pack: TabledPack): number {
  return pack.blobBytes - pack.usedBytes;
}

function refuseMissingBlobs(table: PackTable): void {
  const missing = table.missing(namedMax + 1).map(({ id, type }) => `${type} ${id}`);
  if (missing.length > 0) refuse(`the index lists no pack with ${named(missing)}`);
}

function refuseMissingPacks(used: readonly TabledPack[], stored: ReadonlyMap<ObjectId, number>): void {
  const missing = used.filter((pack) => !stored.has(pack.id)).map((pack) => pack.id);
  if (missing.length > 0) refuse(`packs that are needed are missing: ${named(missing)}`);
  const wrong = used
    .filter((pack) => stored.get(pack.id) !== pack.bytes)
    .map((pack) => `${pack.id} has ${stored.get(pack.id)} bytes, wanted ${pack.bytes}`);
  if (wrong.length > 0) refuse(`packs that are needed have the wrong size: ${named(wrong)}`);
}

function refuse(state: string): never {
  throw new BackupError("damaged", `Cannot prune: ${state}`, {
    hint: "Nothing was removed. Run verify to see which backups are affected, then repair index.",
  });
}

function named(all: readonly string[]): string {
  const first = all.slice(0, namedMax).join(", ");
  return all.length > namedMax ? `${first} and more` : first;
}

function sumOf(packs: readonly TabledPack[], value: (pack: TabledPack) => number): number {
  return packs.reduce((sum, pack) => sum + value(pack), 0);
}
