/**
 * Walks a protected folder and describes what is in it, in the order of
 * `domain/entry.ts`. It looks at names and attributes only and opens no file of
 * the folder; contents are read later by the vault's workers.
 *
 * @module
 */

import { lstatSync, realpathSync, statSync } from "node:fs";
import type { Problem } from "../../domain/backup.ts";
import { type ByteString, byteStringFromText } from "../../domain/byte-string.ts";
import type { Entry, EntryRoot } from "../../domain/entry.ts";
import { BackupError, reasonText } from "../../domain/error.ts";
import { Breather } from "./breather.ts";
import { isLargeDirectory, type NameSource, readManyNames, readNames } from "./directory-names.ts";
import { FolderWalk, type WalkStep } from "./folder-walk.ts";

export interface WalkOptions {
  readonly root: EntryRoot;
  /** gitignore-style patterns relative to the root. A directory that is left out is not looked into. */
  readonly excludes: readonly string[];
  /** Leave out what is mounted below the root; the mount points themselves stay, empty. */
  readonly oneFileSystem: boolean;
  /** Of folders that hold a valid CACHEDIR.TAG, keep folder and tag only. */
  readonly excludeCaches: boolean;
  /** Absolute real paths that are left out: vaults, scratch folders, declared databases and their sidecars. */
  readonly skip: ReadonlySet<ByteString>;
}

/** Called for everything that is left out although nobody asked for it. */
export type ReportProblem = (problem: Problem) => void;

/** Entries handed over at a time: about 2 ms of walking. */
export const entriesPerBatch = 512;

/**
 * Yields the entries of a folder in order, the folder itself first, in batches of at most 512.
 *
 * Symbolic links are entries, never followed, except for the root, which may be one. Of a
 * file with several names in the folder the first has the content. What cannot be looked
 * at is reported and left out; the walk goes on. Between slices of about 8 ms the event
 * loop gets its turn.
 *
 * @throws {BackupError} `source-unavailable` if the root is missing, no folder, or cannot be read
 */
export function walkFolder(
  options: WalkOptions,
  report: ReportProblem,
  signal: AbortSignal,
): AsyncGenerator<readonly Entry[], void, undefined> {
  return walkInBatches(options, report, { newBatch: (): Entry[] => [] }, signal);
}

/** What entries are put into, one after the other. */
export interface EntryBatch {
  readonly length: number;
  push(entry: Entry): unknown;
}

/** Whoever takes the batches. */
export interface BatchTarget<B extends EntryBatch> {
  readonly newBatch: () => B;
  /** Waited for after each slice of the walk, also where no entry was found in it. */
  readonly afterSlice?: () => Promise<void>;
}

/** As {@link walkFolder}, into batches of another sort. */
export async function* walkInBatches<B extends EntryBatch>(
  options: WalkOptions,
  report: ReportProblem,
  { newBatch, afterSlice }: BatchTarget<B>,
  signal: AbortSignal,
): AsyncGenerator<B, void, undefined> {
  signal.throwIfAborted();
  const breather = new Breather();
  const directory = realDirectory(options.root);
  const walk = new FolderWalk(options, directory, report);
  walk.enter(await readRoot(options.root, directory, breather, signal));
  let batch = newBatch();
  batch.push(walk.rootEntry);
  for (;;) {
    signal.throwIfAborted();
    const step = fillBatch(walk, batch, breather);
    // A folder may end exactly where a batch does.
    if (batch.length >= entriesPerBatch || (step === "end" && batch.length > 0)) {
      yield batch;
      batch = newBatch();
    }
    if (step === "end") return;
    await afterSlice?.();
    if (step !== "entry") walk.enter(await namesOfLarge(walk, step.largeDirectory, breather, signal));
    if (breather.isDue()) await breather.breathe(signal);
  }
}

/** Walks until the batch is full, the slice is over, the end is reached or a large directory is to be read. */
function fillBatch(walk: FolderWalk, batch: EntryBatch, breather: Breather): WalkStep {
  for (;;) {
    const step = walk.step(batch);
    if (step !== "entry" || batch.length >= entriesPerBatch || breather.isDue()) return step;
  }
}

async function namesOfLarge(
  walk: FolderWalk,
  directory: ByteString,
  breather: Breather,
  signal: AbortSignal,
): Promise<NameSource | undefined> {
  try {
    return await readManyNames(directory, breather, signal);
  } catch (error) {
    signal.throwIfAborted();
    walk.reportUnreadable(error);
    return undefined;
  }
}

/** The absolute path of a root without links in it. @throws {BackupError} `source-unavailable` */
export function realDirectory(root: EntryRoot): ByteString {
  try {
    const real = realpathSync(root.path, { encoding: "buffer" }).toString("latin1") as ByteString;
    if (statSync(root.path).isDirectory()) return real;
  } catch (cause) {
    throw unavailable(root, reasonText(cause), cause);
  }
  throw unavailable(root, "it is no folder", undefined);
}

async function readRoot(
  root: EntryRoot,
  directory: ByteString,
  breather: Breather,
  signal: AbortSignal,
): Promise<NameSource> {
  try {
    const large = isLargeDirectory(lstatSync(root.path).size);
    return large ? await readManyNames(directory, breather, signal) : readNames(directory);
  } catch (cause) {
    signal.throwIfAborted();
    throw unavailable(root, reasonText(cause), cause);
  }
}

function unavailable(root: EntryRoot, reason: string, cause: unknown): BackupError {
  const { code } = (cause ?? {}) as NodeJS.ErrnoException;
  const isMissing = code === "ENOENT" || code === "ENOTDIR";
  const state = isMissing ? "it is missing" : reason;
  return new BackupError("source-unavailable", `Cannot read folder ${root.path}: ${state}`, {
    cause,
    details: { refusal: isMissing ? "is missing" : `cannot be read: ${reason}` },
    hint: "Check that the folder exists, that its disk is mounted, and that this user may read it.",
  });
}

/** The absolute path `text` as a walk compares it: links resolved where it exists. For {@link WalkOptions.skip}. */
export function realBytePath(text: string): ByteString {
  try {
    return realpathSync(text, { encoding: "buffer" }).toString("latin1") as ByteString;
  } catch {
    return byteStringFromText(text);
  }
}
