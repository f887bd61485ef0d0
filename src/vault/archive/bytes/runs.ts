/**
 * The runs that have said in `.vertex/locks/` that they are at work, or were when
 * they were killed.
 *
 * @module
 */

import { isBackupError } from "../../../domain/error.ts";
import { isProvablyGone, type ThisMachine } from "../../../domain/run-owner.ts";
import { readAll } from "../../../storage/read-all.ts";
import type { Storage } from "../../../storage/storage.ts";
import {
  locksFolder,
  parseRunDocument,
  parseRunObjectName,
  type RunDocument,
  runDocumentSizeBytesMax,
  runObjectName,
} from "../locks/run-document.ts";

export interface Run {
  readonly base: string;
  /** Every object of the run, the first one last, so that removing them in order frees the claimed stamp at the end. */
  readonly names: readonly string[];
  /** The newest document; undefined where it is unreadable. */
  readonly document: RunDocument | undefined;
  /** When the run last gave a sign of life, by the storage's clock. */
  readonly refreshedAtMs: number;
}

/** A run refreshes every 5 minutes; after this long without it is taken to be gone (I7). */
export const silenceMsMax: number = 30 * 60_000;

/** A name that vanishes between listing and reading was refreshed or released; more often than this it is a storage that lies. */
const attemptsMax = 5;

/** Reads all runs. One that ends meanwhile may or may not be among them. */
export async function readRuns(storage: Storage, signal: AbortSignal): Promise<readonly Run[]> {
  const runs: Run[] = [];
  let pending = await listRuns(storage, signal);
  for (let attempt = 1; pending.length > 0; attempt++) {
    const moved: string[] = [];
    for (const run of pending) {
      signal.throwIfAborted();
      const document = await readDocument(storage, run, signal);
      if (document !== "gone") runs.push({ ...run, document });
      // I7: a run whose document cannot be got hold of may be at work all the same.
      else if (attempt >= attemptsMax) runs.push({ ...run, document: undefined });
      else moved.push(run.base);
    }
    if (moved.length === 0) break;
    pending = (await listRuns(storage, signal)).filter((run) => moved.includes(run.base));
  }
  return runs;
}

type ListedRun = Omit<Run, "document"> & { readonly newest: string };

async function listRuns(storage: Storage, signal: AbortSignal): Promise<readonly ListedRun[]> {
  const found: { base: string; sequence: number; modifiedAtMs: number }[] = [];
  for await (const object of storage.list(locksFolder, signal)) {
    signal.throwIfAborted();
    const parsed = parseRunObjectName(object.name);
    if (parsed !== undefined) found.push({ ...parsed, modifiedAtMs: object.modifiedAtMs });
  }
  const groups = Map.groupBy(found, (object) => object.base);
  return [...groups].map(([base, objects]) => {
    const names = objects
      .toSorted((a, b) => b.sequence - a.sequence)
      .map((object) => runObjectName(base, object.sequence));
    const refreshedAtMs = Math.max(...objects.map((object) => object.modifiedAtMs));
    return { base, names, newest: names[0] ?? runObjectName(base, 0), refreshedAtMs };
  });
}

async function readDocument(
  storage: Storage,
  run: ListedRun,
  signal: AbortSignal,
): Promise<RunDocument | undefined | "gone"> {
  try {
    return parseRunDocument(await readAll(storage, run.newest, runDocumentSizeBytesMax, signal));
  } catch (error) {
    if (isBackupError(error, "not-found")) return "gone";
    if (isBackupError(error, "damaged")) return undefined;
    throw error;
  }
}

/**
 * Tells whether a run has ended without saying so: its process is provably gone, or it
 * was silent for {@link silenceMsMax}.
 *
 * @param nowMs Now, by the storage's clock, so that hosts whose clocks differ agree
 */
export function isRunGone(run: Run, machine: ThisMachine, nowMs: number): boolean {
  if (run.document !== undefined && isProvablyGone(run.document.owner, machine)) return true;
  return nowMs - run.refreshedAtMs >= silenceMsMax;
}
