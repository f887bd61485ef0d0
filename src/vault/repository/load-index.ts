/**
 * Reads the index of a repository: all files of `index/`, several at once.
 *
 * @module
 */

import { BackupError, isBackupError } from "../../domain/error.ts";
import { parseIndex } from "../../format/restic/index-file.ts";
import { scanIndex } from "../../format/restic/index-scan.ts";
import type { IndexedPack, ObjectId } from "../../format/restic/model.ts";
import { BlobIndex } from "./blob-index.ts";
import { listObjects, loadObject } from "./objects.ts";
import type { Repository } from "./repository.ts";

/** Files in flight: hides the latency of a network, and keeps what is unpacked under some 100 MB. */
const filesAtOnce = 6;

/** What a blob takes in a compressed file of the index: its id does not shrink. */
const storedBytesPerBlob = 42;

/** Files that vanish while they are read were merged into others; more often than this it is a storage that lies. */
const attemptsMax = 5;

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
export async function loadIndex(
  repo: Pick<Repository, "storage" | "key" | "config">,
  signal: AbortSignal,
): Promise<LoadedIndex> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await loadOnce(repo, signal);
    } catch (error) {
      if (!isBackupError(error, "not-found") || attempt === attemptsMax) throw error;
    }
  }
}

/** The index, where nothing of it may be missing. @throws {BackupError} `damaged` if a file of it cannot be read */
export function requireWholeIndex(loaded: LoadedIndex): BlobIndex {
  const [first] = loaded.damaged;
  if (first === undefined) return loaded.index;
  throw new BackupError("damaged", `Cannot read the index: ${first.error.message}`, {
    cause: first.error,
    hint: "Run repair index: it makes the index again from the packs.",
  });
}

async function loadOnce(
  repo: Pick<Repository, "storage" | "key" | "config">,
  signal: AbortSignal,
): Promise<LoadedIndex> {
  const index = new BlobIndex();
  const listed = await listObjects(repo, "index", signal);
  index.reserve(listed.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) / storedBytesPerBlob);
  const files: IndexFile[] = [];
  const damaged: { id: ObjectId; error: BackupError }[] = [];
  const pending = listed.toReversed();
  let failed = false;
  const takeOne = async (): Promise<void> => {
    for (let file = pending.pop(); file !== undefined && !failed; file = pending.pop()) {
      signal.throwIfAborted();
      const { id, sizeBytes } = file;
      try {
        files.push({ id, sizeBytes, packs: addFile(index, await loadObject(repo, "index", id, signal)) });
      } catch (error) {
        if (isBackupError(error, "damaged")) damaged.push({ id, error: named(id, error) });
        else {
          failed = true;
          throw error;
        }
      }
    }
  };
  await Promise.all(Array.from({ length: filesAtOnce }, takeOne));
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
  return new BackupError("damaged", `Cannot read index/${id}: ${error.message}`, { cause: error });
}
