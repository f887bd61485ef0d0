/**
 * Makes the index again from the headers of the packs. What the index knew of a pack
 * whose header is damaged is saved first: its whole blobs go into a new pack. Records
 * whose text is damaged are written anew, too.
 *
 * @module
 */

import type { IndexedPack, ObjectId, PackedBlob } from "../../../../format/restic/model.ts";
import { boundedMap } from "../../../bounded-map.ts";
import type { RepairIndexReport } from "../../../maintenance.ts";
import type { LockOptions } from "../../../vault.ts";
import { BlobIndex } from "../../blob-index.ts";
import { type LoadedIndex, loadIndex } from "../../load-index.ts";
import type { RepositoryLock } from "../../locks/repository-lock.ts";
import { type ListedObject, listObjects, packName } from "../../objects.ts";
import { readFailure } from "../../read/read-failure.ts";
import { repairRecords } from "../../records.ts";
import type { Repository } from "../../repository.ts";
import { BlobSet } from "../blob-set.ts";
import { DamageList } from "../damage-list.ts";
import { packBytes } from "../pack-bytes.ts";
import { readHeader } from "../pack-header.ts";
import { PackWriter } from "../pack-writer.ts";
import { ProgressMeter } from "../progress-meter.ts";
import { listedTwice, removeInSteps, saveIndexFiles } from "../prune/rewrite-index.ts";
import { salvageBlobs } from "./salvage-blobs.ts";

export interface RepairPlace {
  readonly repo: Repository;
  /** Exclusive. */
  readonly lock: RepositoryLock;
}

/** All packs by their own headers. */
interface ReadPacks {
  readonly index: BlobIndex;
  /** Why the others cannot be read. */
  readonly faults: ReadonlyMap<ObjectId, string>;
}

export async function repairIndex(
  place: RepairPlace,
  { observer }: LockOptions,
  signal: AbortSignal,
): Promise<RepairIndexReport> {
  const { repo, lock } = place;
  const both = AbortSignal.any([signal, lock.lost]);
  const loaded = await loadIndex(repo, both);
  const stored = await listObjects(repo, "data", both);
  const meter = new ProgressMeter(observer, repo.clock, "repair", { items: stored.length });
  const { index, faults } = await readHeaders(repo, stored, meter, both);
  const unreadable = new DamageList();
  for (const [id, fault] of faults) unreadable.add(packName(id), fault);
  const packsAdded = stored.filter(({ id }) => index.hasPack(id) && !loaded.index.hasPack(id)).length;
  const saved = await salvage(place, loaded, { index, faults }, both);
  for (const pack of saved) index.add(pack);
  if (!isSame(loaded, index)) await replaceIndex(place, loaded, index, both);
  await repairRecords(repo, both);
  const there = new Set(stored.map(({ id }) => id));
  const listed = new Set(loaded.files.flatMap(({ packs }) => packs));
  return {
    packsRead: stored.length,
    packsAdded: packsAdded + saved.length,
    packsGone: [...listed].filter((id) => !there.has(id)).length,
    unreadable: unreadable.all(),
  };
}

/**
 * What the index would list after a repair, without changing anything. Blobs that would be saved from
 * a pack without a header are listed in that pack.
 */
export async function previewIndex(
  { repo }: Pick<RepairPlace, "repo">,
  { observer }: LockOptions,
  signal: AbortSignal,
): Promise<BlobIndex> {
  const loaded = await loadIndex(repo, signal);
  const stored = await listObjects(repo, "data", signal);
  const meter = new ProgressMeter(observer, repo.clock, "repair", { items: stored.length });
  const { index, faults } = await readHeaders(repo, stored, meter, signal);
  for (const pack of loaded.index.packs()) if (faults.has(pack.id)) index.add(pack);
  return index;
}

async function readHeaders(
  repo: Repository,
  stored: readonly ListedObject[],
  meter: ProgressMeter,
  signal: AbortSignal,
): Promise<ReadPacks> {
  const index = new BlobIndex();
  const faults = new Map<ObjectId, string>();
  const readOne = async (pack: ListedObject): Promise<void> => {
    try {
      const blobs = await readHeader(repo, pack, signal);
      const wanted = packBytes(blobs);
      if (wanted === pack.sizeBytes) index.add({ id: pack.id, blobs });
      else faults.set(pack.id, `it has ${pack.sizeBytes} bytes, by its header it should have ${wanted}`);
    } catch (error) {
      const state = await readFailure(repo.storage, error, signal);
      faults.set(pack.id, `its header cannot be read: ${state}`);
    }
    meter.add(1, 0);
  };
  await boundedMap(stored, readOne, signal);
  meter.finish();
  return { index, faults };
}

/** Copies what is whole of packs without a header that the old index knows; such a pack is not listed any more. */
async function salvage(
  { repo }: RepairPlace,
  { index: old }: LoadedIndex,
  { index, faults }: ReadPacks,
  signal: AbortSignal,
): Promise<readonly IndexedPack[]> {
  if (![...faults.keys()].some((id) => old.hasPack(id))) return [];
  const copied = new BlobSet();
  const writer = new PackWriter(repo, signal);
  try {
    for (const { id: pack, blobs } of old.packs()) {
      if (!faults.has(pack)) continue;
      const wanted = blobs.filter(({ id, type }) => !index.has(id, type) && !copied.has(id, type));
      for (const { id, type } of await salvageBlobs(repo, { id: pack, blobs: wanted }, writer, signal)) {
        copied.add(id, type);
      }
    }
    return await writer.finish();
  } catch (error) {
    await writer.abort();
    throw error;
  }
}

/** Whether the index files say exactly what the headers do. */
function isSame(loaded: LoadedIndex, index: BlobIndex): boolean {
  const old = loaded.index;
  if (loaded.damaged.length > 0 || listedTwice(loaded).size > 0) return false;
  if (old.packCount !== index.packCount || old.size !== index.size) return false;
  for (const { id: pack, blobs } of index.packs()) {
    for (const blob of blobs) {
      const places = old.findAll(blob.id, blob.type);
      if (!places.some((place) => place.pack === pack && isEqual(place, blob))) return false;
    }
  }
  return true;
}

function isEqual(a: PackedBlob, b: PackedBlob): boolean {
  return a.offset === b.offset && a.length === b.length && a.uncompressedLength === b.uncompressedLength;
}

/** I3: the new files are durable before the old ones go. */
async function replaceIndex(
  place: RepairPlace,
  loaded: LoadedIndex,
  index: BlobIndex,
  signal: AbortSignal,
): Promise<void> {
  await saveIndexFiles(place.repo, index.packs(), (held) => place.lock.assertHeld(held), signal);
  const old = [...loaded.files, ...loaded.damaged].map(({ id }) => id);
  await removeInSteps(place, "index", old, signal);
}
