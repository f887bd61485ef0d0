/**
 * Walks the folders of a source into a backup: settles what is unchanged, has
 * databases among the files captured, and hands everything to the writer in order.
 *
 * @module
 */

import type { ByteString } from "../domain/byte-string.ts";
import type { Entry } from "../domain/entry.ts";
import { isBackupError } from "../domain/error.ts";
import type { CaptureOutcome } from "../source/capture/capture.ts";
import type { DatabaseCapturer } from "../source/capture/database-capturer.ts";
import { DatabaseFinder } from "../source/folder/database-finder.ts";
import { walkFolderAside } from "../source/folder/walk-aside.ts";
import { walkFolder } from "../source/folder/walk-folder.ts";
import { entriesWorthThread } from "../source/folder/walk-thread.ts";
import { FoundBudget } from "../source/found-budget.ts";
import type { BackupWriter } from "../vault/vault.ts";
import type { OperationContext } from "./context.ts";
import type { ImagePlace } from "./image-place.ts";
import type { FolderSource } from "./requests.ts";
import type { RunLog } from "./run-log.ts";
import type { ScanProgress } from "./scan-progress.ts";
import { skippedPaths, type WalkAhead, walkOptions } from "./walk-ahead.ts";

/** A folder and what the walk saw of it. */
export interface StoredFolder {
  readonly folder: FolderSource;
  /** Why it could not be read at all, as a clause; empty where it could. */
  readonly refusal: string;
  /** Files and links met. */
  readonly files: number;
}

export interface StoreOptions {
  readonly writer: BackupWriter;
  readonly capturer: Pick<DatabaseCapturer, "capture">;
  /** For captured images; they are needed until the backup is finished. */
  readonly images: ImagePlace;
  /** Declared databases that are not to be stored as files of a folder, by absolute path. */
  readonly declaredPaths: readonly string[];
  /** Entries an earlier backup held; 0 where there is none. */
  readonly entriesExpected: number;
  /** A folder that is walked already. */
  readonly ahead: WalkAhead | undefined;
  readonly log: RunLog;
  readonly scan: ScanProgress;
  /** Sees every entry that goes into the backup. */
  readonly onEntry: (entry: Entry) => void;
}

/** A file from strangers may be locked for as long as they like; it is then stored as it is. */
const foundBusyTimeoutMs = 5_000;

/** Stores folders one after the other, as the order of entries demands. One that is missing is a problem, not an error. */
export async function storeFolders(
  context: OperationContext,
  folders: readonly FolderSource[],
  options: StoreOptions,
  signal: AbortSignal,
): Promise<readonly StoredFolder[]> {
  const skip = skippedPaths(context, options.declaredPaths);
  const budget = new FoundBudget(context.clock);
  const stored: StoredFolder[] = [];
  for (const folder of folders) {
    signal.throwIfAborted();
    stored.push(await storeFolder(folder, { ...options, skip, budget }, signal));
  }
  options.scan.end();
  return stored;
}

interface StoreFolderOptions extends StoreOptions {
  readonly skip: ReadonlySet<ByteString>;
  readonly budget: FoundBudget;
}

async function storeFolder(
  folder: FolderSource,
  options: StoreFolderOptions,
  signal: AbortSignal,
): Promise<StoredFolder> {
  const { writer, log, scan, onEntry } = options;
  const report = log.problem.bind(log);
  const { path, plainFiles } = folder;
  const capture = foundCapture(options);
  const finder = new DatabaseFinder({ plainFiles, capture, report, budget: options.budget });
  const walk = walkIt(folder, options, signal);
  let files = 0;
  try {
    for await (const entries of walk) {
      const settled = await writer.settle(entries, signal);
      const walked = entries.map((entry, index) => ({ entry, settled: settled[index] === true }));
      const kept = await finder.inspect(walked, signal);
      for (const { entry } of kept) {
        onEntry(entry);
        if (entry.kind !== "directory") files++;
      }
      await writer.add(kept, signal);
      scan.saw(kept);
    }
  } catch (error) {
    // The walk throws this for the folder itself only; what lies inside is reported and passed over.
    if (!isBackupError(error, "source-unavailable") || files > 0) throw error;
    report({ kind: "unreadable", path, message: error.message });
    return { folder, refusal: String(error.details["refusal"] ?? error.message), files };
  }
  return { folder, refusal: "", files };
}

function walkIt(
  folder: FolderSource,
  { ahead, entriesExpected, log, skip }: StoreFolderOptions,
  signal: AbortSignal,
): AsyncIterable<readonly Entry[]> {
  const report = log.problem.bind(log);
  const options = walkOptions(folder, skip);
  if (ahead?.serves(options) === true) return ahead.entries(report, signal);
  const walk = entriesExpected < entriesWorthThread ? walkFolder : walkFolderAside;
  return walk(options, report, signal);
}

function foundCapture({
  capturer,
  images,
  log,
}: StoreOptions): (path: ByteString, entry: Entry, signal: AbortSignal) => Promise<CaptureOutcome> {
  return async (path, _entry, signal) => {
    const imagePath = images.newPath();
    const request = { path, imagePath, trust: "found", check: "quick_check" } as const;
    return await capturer.capture(
      { ...request, busyTimeoutMs: foundBusyTimeoutMs },
      (bytesDone, bytesTotal) => log.progress({ phase: "capture", bytesDone, bytesTotal, itemsDone: 0 }),
      signal,
    );
  };
}
