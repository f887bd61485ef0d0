/**
 * Reads the index of a repository: all files of `index/`, several at once.
 *
 * @module
 */

import { BackupError, isBackupError } from "../../domain/error.ts";
import { parseIndex } from "../../format/restic/index-file.ts";
import { scanIndex } from "../../format/restic/index-scan.ts";
import type { IndexedPack, ObjectId } from "../../format/restic/model.ts";
import type { Storage } from "../../storage/storage.ts";
import { boundedMap } from "../bounded-map.ts";
import { isInputFailure } from "../unreadable-file.ts";
import { BlobIndex } from "./blob-index.ts";
import { failureOfFile } from "./input-failure.ts";
import { type ListedObject, listObjects, loadObject } from "./objects.ts";
import type { Repository } from "./repository.ts";

/** Files in flight: hides the latency of a network, and keeps what is unpacked under some 100 MB. */
const filesAtOnce = 6;

/** What a blob takes in a compressed file of the index: its id does not shrink. */
const storedBytesPerBlob = 42;

/** Files that vanish while they are read were merged into others; more often than this it is a storage that lies. */
const attemptsMax = 5;

/** Blobs that a process keeps in mind between uses: some 120 MB. A larger index is read again each time. */
const sharedRowsMax = 2_000_000;

type IndexPlace = Pick<Repository, "storage" | "key" | "config">;

/** One file of the index. */
export interface IndexFile {
  readonly id: ObjectId;
  readonly sizeBytes: number;
  readonly packs: readonly ObjectId[];
}

export interface LoadedIndex {
  readonly index: BlobIndex;
  readonly files: readonly IndexFile[];
  /** Files that cannot be read: what only they list is not in `index`. */
  readonly damaged: readonly { readonly id: ObjectId; readonly error: BackupError }[];
}

/**
 * Loads the whole index. List snapshots before it, not after: what they name is in it then.
 * A damaged file is a finding; see {@link requireWholeIndex}.
 */
export async function loadIndex(place: IndexPlace, signal: AbortSignal): Promise<LoadedIndex> {
  return await retried(() => loadFiles(place, emptyIndex(), signal));
}

/**
 * As {@link loadIndex}, but a long-lived process reads only files that it has not read before. The
 * index is shared: who wants to add to it stands another on it (`new BlobIndex(index)`).
 */
export async function loadSharedIndex(place: IndexPlace, signal: AbortSignal): Promise<LoadedIndex> {
  const loaded = await retried(() => {
    const before = shared.get(place.storage) ?? emptyIndex();
    // Put back when it is whole: one that a failure left half loaded would know blobs of files it does not name.
    shared.delete(place.storage);
    return loadFiles(place, before, signal);
  });
  if (loaded.index.size <= sharedRowsMax) shared.set(place.storage, { ...loaded, damaged: [] });
  return loaded;
}

/** What was loaded last of each storage that is still in use. */
const shared = new WeakMap<Storage, LoadedIndex>();

function emptyIndex(): LoadedIndex {
  return { index: new BlobIndex(), files: [], damaged: [] };
}

/** The index, where nothing of it may be missing. @throws {BackupError} `damaged` if a file of it cannot be read */
export function requireWholeIndex(loaded: LoadedIndex): BlobIndex {
  const [first] = loaded.damaged;
  if (first === undefined) return loaded.index;
  throw new BackupError("damaged", `Cannot read the index: ${first.error.message}`, {
    cause: first.error,
    hint: isInputFailure(first.error)
      ? "Look at the disk and copy the repository to another one; then run repair index, which makes the index again from the packs."
      : "Run repair index: it makes the index again from the packs.",
  });
}

async function retried(load: () => Promise<LoadedIndex>): Promise<LoadedIndex> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await load();
    } catch (error) {
      if (!isBackupError(error, "not-found") || attempt === attemptsMax) throw error;
    }
  }
}

async function loadFiles(place: IndexPlace, before: LoadedIndex, signal: AbortSignal): Promise<LoadedIndex> {
  const listed = await listObjects(place, "index", signal);
  const present = new Set(listed.map(({ id }) => id));
  // An index cannot forget: where a file is gone, its packs may be gone too.
  const { index, files: known } = before.files.every(({ id }) => present.has(id)) ? before : emptyIndex();
  const read = new Set(known.map(({ id }) => id));
  const pending = listed.filter(({ id }) => !read.has(id)).reverse();
  index.reserve(index.size + pending.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) / storedBytesPerBlob);
  const files = [...known];
  const damaged: { id: ObjectId; error: BackupError }[] = [];
  const loadOne = async ({ id, sizeBytes }: ListedObject): Promise<void> => {
    try {
      files.push({ id, sizeBytes, packs: addFile(index, await loadObject(place, "index", id, signal)) });
    } catch (error) {
      damaged.push({ id, error: named(id, await failureOfFile(place.storage, error, signal)) });
    }
  };
  await boundedMap(pending, loadOne, signal, filesAtOnce);
  return { index, files, damaged };
}

/** Whole before any of it counts: a file that is half readable is not half believed. Returns its packs. */
function addFile(index: BlobIndex, bytes: Buffer): readonly ObjectId[] {
  const scanned = scanIndex(bytes);
  if (scanned !== undefined) {
    index.addScanned(scanned);
    return scanned.packs;
  }
  const packs: IndexedPack[] = [];
  parseIndex(bytes, (pack) => packs.push(pack));
  for (const pack of packs) index.add(pack);
  return packs.map((pack) => pack.id);
}

function named(id: ObjectId, error: BackupError): BackupError {
  if (error.message.includes(id)) return error;
  const { kind, message, details } = error;
  return new BackupError(kind, `Cannot read index/${id}: ${message}`, { cause: error, details });
}
