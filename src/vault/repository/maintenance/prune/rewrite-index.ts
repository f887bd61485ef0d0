/**
 * Makes the index forget packs, and know new ones: new files first, durable, then the
 * old ones go (I3). A process that dies between leaves both, which says nothing wrong.
 *
 * @module
 */

import type { IndexedPack, ObjectId } from "../../../../format/restic/model.ts";
import type { LoadedIndex } from "../../load-index.ts";
import type { RepositoryLock } from "../../locks/repository-lock.ts";
import { removeObjects } from "../../objects.ts";
import type { Repository } from "../../repository.ts";
import { type AssertHeld, saveIndexHeld } from "../../save-index.ts";

/** Blobs in one file, as restic has them. */
const blobsPerFile = 50_000;

/** Files up to this size, stored, are joined whenever the index is rewritten. A full one has some 2 MB. */
const smallFileBytes = 512 * 1024;

/** Names removed between two looks at the lock: seconds at most, on any storage. */
const namesAtOnce = 64;

export interface IndexChange {
  /** Packs the index is to forget. */
  readonly forget: ReadonlySet<ObjectId>;
  /** Packs that are durable and in no file yet. */
  readonly add: readonly IndexedPack[];
}

/** Packs that several files list. */
export function listedTwice({ files }: Pick<LoadedIndex, "files">): ReadonlySet<ObjectId> {
  const seen = new Set<ObjectId>();
  const twice = new Set<ObjectId>();
  for (const { packs } of files) {
    for (const pack of packs) {
      if (seen.has(pack)) twice.add(pack);
      seen.add(pack);
    }
  }
  return twice;
}

/** Files that list what is to be forgotten, or what others list too, are replaced; so are small ones, by larger ones. */
export async function rewriteIndex(
  place: { readonly repo: Repository; readonly lock: RepositoryLock },
  loaded: LoadedIndex,
  { forget, add }: IndexChange,
  signal: AbortSignal,
): Promise<void> {
  const { repo, lock } = place;
  const twice = listedTwice(loaded);
  const old = loaded.files.filter(
    ({ sizeBytes, packs }) =>
      sizeBytes <= smallFileBytes || packs.some((pack) => forget.has(pack) || twice.has(pack)),
  );
  const oldIds = [...old, ...loaded.damaged].map(({ id }) => id);
  const moved = new Set(old.flatMap(({ packs }) => packs).filter((pack) => !forget.has(pack)));
  await saveIndexFiles(repo, packsToList(loaded, moved, add), (held) => lock.assertHeld(held), signal);
  await removeInSteps(place, "index", oldIds, signal);
}

/** Removes files, and makes sure before every few of them that nobody else can be at work (I7). */
export async function removeInSteps(
  { repo, lock }: { readonly repo: Repository; readonly lock: RepositoryLock },
  kind: "index" | "data" | "snapshots",
  ids: readonly ObjectId[],
  signal: AbortSignal,
): Promise<void> {
  for (let i = 0; i < ids.length; i += namesAtOnce) {
    signal.throwIfAborted();
    await lock.assertHeld(signal);
    await removeObjects(repo, kind, ids.slice(i, i + namesAtOnce), signal);
  }
}

/** Writes packs into as many files as they need; none where there are none. @throws {BackupError} `locked` */
export async function saveIndexFiles(
  repo: Repository,
  packs: Iterable<IndexedPack>,
  assertHeld: AssertHeld,
  signal: AbortSignal,
): Promise<void> {
  let file: IndexedPack[] = [];
  let blobs = 0;
  for (const pack of packs) {
    signal.throwIfAborted();
    file.push(pack);
    blobs += pack.blobs.length;
    if (blobs < blobsPerFile) continue;
    await saveIndexHeld(repo, file, assertHeld, signal);
    file = [];
    blobs = 0;
  }
  if (file.length > 0) await saveIndexHeld(repo, file, assertHeld, signal);
}

function* packsToList(
  { index }: LoadedIndex,
  moved: ReadonlySet<ObjectId>,
  add: readonly IndexedPack[],
): Generator<IndexedPack> {
  yield* add;
  for (const pack of index.packs()) if (moved.has(pack.id)) yield pack;
}
