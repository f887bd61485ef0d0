/**
 * Walks the folder of a local storage: to list objects, and to clean what
 * interrupted writes left.
 *
 * @module
 */

import type { Dirent, Stats } from "node:fs";
import { lstat, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { stateOfUnfinished, type ThisMachine } from "../domain/run-owner.ts";
import { type LocalDirectories, parentOf } from "./local-directories.ts";
import { systemCode } from "./local-errors.ts";
import { isReserved, stagingDirectory, systemDirectory } from "./local-layout.ts";
import { isObjectName } from "./object-name.ts";
import type { StoredObject } from "./storage.ts";

/** Looked up at once: enough to keep the four threads of the pool busy. */
const lookupsAtOnce = 64;

/** After this long without a change, a write on a machine we cannot look at is taken for dead. */
const untouchedMsMax = 24 * 60 * 60 * 1000;

/**
 * Yields the objects whose name starts with `prefix`; only folders that can hold
 * such names are read. Files no object can be named like are passed over, as are
 * links. What vanishes meanwhile is left out. One folder's names are held at a time.
 */
export async function* walkObjects(
  directories: LocalDirectories,
  prefix: string,
  signal: AbortSignal,
): AsyncIterable<StoredObject> {
  const start = parentOf(prefix);
  const pending = (await directories.exists(start)) ? [start] : [];
  for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
    signal.throwIfAborted();
    const { files, folders } = await namesIn(directories, directory, prefix);
    pending.push(...folders);
    yield* describeAll(directories, files, signal);
  }
}

interface FolderNames {
  readonly files: readonly string[];
  readonly folders: readonly string[];
}

async function namesIn(
  directories: LocalDirectories,
  directory: string,
  prefix: string,
): Promise<FolderNames> {
  const files: string[] = [];
  const folders: string[] = [];
  for (const entry of await entriesOf(directories, directory)) {
    const name = nameIn(directory, entry.name);
    if (!isObjectName(name) || isReserved(name)) continue;
    if (entry.isDirectory() && `${name}/`.startsWith(prefix)) folders.push(name);
    else if (entry.isFile() && name.startsWith(prefix)) files.push(name);
  }
  return { files, folders };
}

/** Names in a folder of what is no regular file. */
export async function strangersIn(
  directories: LocalDirectories,
  directory: string,
): Promise<readonly string[]> {
  const entries = await entriesOf(directories, directory);
  return entries.filter((entry) => !entry.isFile()).map(({ name }) => name);
}

/**
 * Names of the symbolic links in a folder and in those below it. One folder's names are held at a time.
 *
 * @throws {BackupError} `unsafe` if the folder itself is one
 */
export async function linksBelow(
  directories: LocalDirectories,
  top: string,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const links: string[] = [];
  const pending = (await directories.exists(top)) ? [top] : [];
  for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
    signal.throwIfAborted();
    for (const entry of await entriesOf(directories, directory)) {
      if (entry.isSymbolicLink()) links.push(nameIn(directory, entry.name));
      else if (entry.isDirectory()) pending.push(nameIn(directory, entry.name));
    }
  }
  return links;
}

async function* describeAll(
  directories: LocalDirectories,
  names: readonly string[],
  signal: AbortSignal,
): AsyncIterable<StoredObject> {
  for (let i = 0; i < names.length; i += lookupsAtOnce) {
    signal.throwIfAborted();
    const batch = names.slice(i, i + lookupsAtOnce);
    const found = await Promise.all(batch.map((name) => describeObject(directories, name)));
    for (const object of found) if (object !== undefined) yield object;
  }
}

/** Size and time of the regular file under this name, or undefined where there is none. */
export async function describeObject(
  directories: LocalDirectories,
  name: string,
): Promise<StoredObject | undefined> {
  const stats = await statOf(directories.pathOf(name));
  if (!stats?.isFile()) return undefined;
  return { name, sizeBytes: stats.size, modifiedAtMs: stats.mtimeMs };
}

/** Removes what writers left that are provably gone, or unknown and silent for a day (I8). Returns how many. */
export async function cleanDirectories(
  directories: LocalDirectories,
  machine: ThisMachine,
  nowMs: number,
  signal: AbortSignal,
): Promise<number> {
  let removed = 0;
  const pending = [""];
  for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
    const staging = directory === stagingDirectory;
    for (const entry of await entriesOf(directories, directory)) {
      signal.throwIfAborted();
      const name = nameIn(directory, entry.name);
      const path = directories.pathOf(name);
      if (!staging && canHoldLeftovers(name, entry)) pending.push(name);
      else if (await isLeftover(path, entry, { staging, machine, nowMs })) {
        await rm(path, { recursive: true, force: true });
        removed++;
      }
    }
  }
  return removed;
}

/** Folders of objects, and the staging folder; `.tmp-` names are not among them. */
function canHoldLeftovers(name: string, entry: Dirent): boolean {
  return entry.isDirectory() && isObjectName(name) && name !== systemDirectory;
}

interface LeftoverFacts {
  readonly staging: boolean;
  readonly machine: ThisMachine;
  readonly nowMs: number;
}

async function isLeftover(path: string, entry: Dirent, facts: LeftoverFacts): Promise<boolean> {
  const state = stateOfUnfinished(entry.name, facts.machine);
  // Outside the staging folder only our own files are removed, and they say whose they are.
  if (state === undefined && !facts.staging) return false;
  if (state === "gone" || state === "alive") return state === "gone";
  return facts.nowMs - (await lastTouchedMs(path, entry)) > untouchedMsMax;
}

/** Also by change time, because a captured image may carry the old modification time of its source. */
async function lastTouchedMs(path: string, entry: Dirent): Promise<number> {
  const paths = [path];
  if (entry.isDirectory()) {
    for (const inner of await readdir(path, { recursive: true })) paths.push(join(path, inner));
  }
  let last = 0;
  for (const one of paths) {
    const stats = await statOf(one);
    if (stats !== undefined) last = Math.max(last, stats.mtimeMs, stats.ctimeMs);
  }
  return last;
}

async function entriesOf(directories: LocalDirectories, directory: string): Promise<Dirent[]> {
  try {
    return await readdir(directories.pathOf(directory), { withFileTypes: true });
  } catch (error) {
    // The root itself must be there: an empty answer would look like an empty vault.
    if (systemCode(error) === "ENOENT" && directory !== "") return [];
    throw error;
  }
}

async function statOf(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    const code = systemCode(error);
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw error;
  }
}

function nameIn(directory: string, entry: string): string {
  return directory === "" ? entry : `${directory}/${entry}`;
}
