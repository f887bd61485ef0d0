/**
 * Builds everything a restore brings, aside from where it belongs: verified as it
 * is written, with modes and owners, durable in the end (I4, I6).
 *
 * @module
 */

import { closeSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { posix } from "node:path";
import { type ByteString, byteStringToUtf8 } from "../../domain/byte-string.ts";
import type { StoredEntry } from "../../domain/entry.ts";
import { BackupError } from "../../domain/error.ts";
import type { DatabaseCapturer } from "../../source/capture/database-capturer.ts";
import { deviceOf } from "../../source/mounts.ts";
import { withSidecars } from "../../source/sidecar-names.ts";
import { isInside } from "../../source/swap/restore-journal.ts";
import { makeDirectories, ownerBits, realDisk } from "../../source/swap/swap-disk.ts";
import { absolutePath } from "../../source/tree/entry-path.ts";
import { pathBytesMax, withShortPath } from "../../source/tree/short-path.ts";
import { syncTree } from "../../source/tree/sync-tree.ts";
import { openTreeWriter, type TreeWriter } from "../../source/tree/tree-writer.ts";
import type { EntryWithContent, FileSink } from "../../vault/vault.ts";
import type { StagedTarget } from "./layout.ts";
import { cannotBuildIn } from "./permissions.ts";
import type { PreparedRestore } from "./prepare.ts";
import { entryKey } from "./selection.ts";
import { stageDatabase } from "./stage-database.ts";
import type { StageProgress } from "./stage-progress.ts";

export interface Staged {
  readonly filesWritten: number;
  readonly bytesWritten: number;
  readonly warnings: readonly string[];
}

export interface StageOptions {
  readonly capturer: DatabaseCapturer;
  readonly progress: StageProgress;
  /** Mode of folders above a target that have to be made. */
  readonly parentMode: number;
}

/**
 * Builds all targets. On return everything is durable. Failed or cancelled, it leaves what
 * it has built for the journal to remove.
 *
 * @throws {BackupError} `damaged`, `unsafe`, `no-space`, `storage-unavailable`
 */
export async function stageTargets(
  prepared: PreparedRestore,
  options: StageOptions,
  signal: AbortSignal,
): Promise<Staged> {
  const { staged } = prepared.layout;
  await makeContainers(prepared);
  for (const target of staged) await makeWay(target, options.parentMode);
  for (const target of staged) {
    if (target.target.kind === "database") await stageDatabase(prepared, target, options, signal);
  }
  const folders = await stageFolders(prepared, options, signal);
  await syncAll(prepared, signal);
  const databases = staged.filter(({ target }) => target.kind === "database");
  return {
    ...folders,
    filesWritten: folders.filesWritten + databases.length,
    bytesWritten: options.progress.bytes,
  };
}

async function makeContainers({ layout }: PreparedRestore): Promise<void> {
  const containers = new Set(layout.areas.map((area) => area.container));
  for (const { imagePath } of layout.live) containers.add(posix.dirname(imagePath) as ByteString);
  for (const container of containers) {
    await withShortPath(container, (path) => mkdir(path, { mode: 0o700 })).catch((error: unknown) => {
      throw cannotBuildIn(posix.dirname(container) as ByteString, error);
    });
  }
}

/** Makes what leads to the place where a target is built, and for a folder that place itself. */
async function makeWay({ builtPath, target }: StagedTarget, parentMode: number): Promise<void> {
  await makeDirectories(posix.dirname(builtPath) as ByteString, parentMode);
  if (target.kind === "folder") await withShortPath(builtPath, (path) => mkdir(path, { mode: 0o700 }));
}

interface OpenFolder {
  readonly target: StagedTarget;
  readonly writer: TreeWriter;
  /** Paths in it that other targets take. */
  readonly taken: readonly string[];
}

async function stageFolders(
  prepared: PreparedRestore,
  { progress }: StageOptions,
  signal: AbortSignal,
): Promise<Staged> {
  const folders = new Map<string, OpenFolder>();
  for (const target of prepared.layout.staged) {
    if (target.target.kind === "folder") folders.set(target.target.name, openFolder(prepared, target));
  }
  if (folders.size > 0) await writeEntries(prepared, folders, progress, signal);
  const warnings: string[] = [];
  let filesWritten = 0;
  // What lies in others is finished first: moving it in would change the times of the folder around it.
  for (const { target, writer } of [...folders.values()].reverse()) {
    await moveInside(prepared, target);
    const report = await writer.finish(signal);
    filesWritten += report.files + report.symlinks;
    if (report.ownersNotRestored > 0) warnings.push(ownersWarning(target, report.ownersNotRestored));
  }
  return { filesWritten, bytesWritten: 0, warnings };
}

function openFolder({ layout, selection, backup }: PreparedRestore, target: StagedTarget): OpenFolder {
  const inside = layout.staged.filter((other) => other.insideOf === target);
  const taken = inside.flatMap((other) => {
    const path = pathInside(other, target);
    return other.target.kind === "database" ? withSidecars(path) : [path];
  });
  const writer = openTreeWriter(textOf(target.builtPath), {
    trust: backup.state === "unverified" ? "foreign" : "own",
    maxTotalBytes: selection.bytesByRoot.get(target.target.name) ?? 0,
    pathBytesMax: pathBytesMax - target.place.path.length - 1,
  });
  return { target, writer, taken };
}

async function writeEntries(
  { reader, selection }: PreparedRestore,
  folders: ReadonlyMap<string, OpenFolder>,
  progress: StageProgress,
  signal: AbortSignal,
): Promise<void> {
  const wanted = (entry: StoredEntry): boolean => {
    const folder = folders.get(entry.root);
    return folder !== undefined && selection.selects(entry) && !isTaken(folder.taken, entry.path);
  };
  if (reader.writeContents !== undefined && selection.detachedLinks.size === 0) {
    await reader.writeContents(wanted, sinkInto(folders, progress), signal);
    return;
  }
  for await (const { entry, content } of reader.contents(wanted, signal)) {
    const first = selection.detachedLinks.get(entryKey(entry.root, entry.path));
    const found: EntryWithContent =
      first === undefined
        ? { entry, ...(content === undefined ? {} : { content }) }
        : { entry: { ...entry, sizeBytes: first.sizeBytes }, content: reader.read(first, undefined, signal) };
    await folders.get(entry.root)?.writer.write(found.entry, found.content, signal);
    progress.wrote(found.entry.sizeBytes, entry.path);
  }
}

/** Where the vault writes bytes into files by itself. Only entries of these folders are wanted. */
function sinkInto(folders: ReadonlyMap<string, OpenFolder>, progress: StageProgress): FileSink {
  const writerOf = ({ root }: StoredEntry): TreeWriter => {
    const folder = folders.get(root);
    if (folder === undefined) throw new BackupError("bug", `Cannot restore ${root}: it is not wanted`);
    return folder.writer;
  };
  return {
    begin: (entry) => {
      const descriptor = writerOf(entry).begin(entry);
      if (descriptor === undefined) progress.wrote(entry.sizeBytes, entry.path);
      return descriptor;
    },
    complete: (entry, descriptor) => {
      writerOf(entry).complete(entry, descriptor);
      progress.wrote(entry.sizeBytes, entry.path);
    },
    abandon: (descriptor) => {
      try {
        closeSync(descriptor);
      } catch {
        // Nothing of it is kept, so nothing of it is lost.
      }
    },
    unwritten: (entry, cause) => writerOf(entry).explain(entry, cause),
  };
}

function isTaken(taken: readonly string[], path: string): boolean {
  return taken.some((other) => path === other || isInside(path, other));
}

/**
 * Moves what lies in this folder to its place in it, before the folder gets its times. That is
 * where the folder is built: one that lies in another itself is moved there later, with all in it.
 */
async function moveInside({ layout }: PreparedRestore, outer: StagedTarget): Promise<void> {
  for (const target of layout.staged) {
    if (target.insideOf !== outer) continue;
    const place = absolutePath(outer.builtPath, pathInside(target, outer));
    await makeDirectories(posix.dirname(place) as ByteString, 0o755);
    await moveLent(target.builtPath, place);
  }
}

/** A folder that has its mode already may not let its owner change what `..` is in it. */
async function moveLent(from: ByteString, to: ByteString): Promise<void> {
  const mode = await realDisk.modeOf(from);
  const isLent = mode !== undefined && (mode & ownerBits) !== ownerBits;
  if (isLent) await realDisk.setMode(from, mode | ownerBits);
  await realDisk.rename(from, to);
  if (isLent) await realDisk.setMode(to, mode);
}

function pathInside({ place }: StagedTarget, outer: StagedTarget): ByteString {
  return place.path.slice(outer.place.path.length + 1) as ByteString;
}

/** One sync a file system where that is possible; databases alone have been synced one by one. */
async function syncAll({ layout }: PreparedRestore, signal: AbortSignal): Promise<void> {
  const synced = new Set<bigint | undefined>();
  const parents = new Set<ByteString>();
  for (const { container } of layout.areas) {
    const holdsFolder = layout.staged.some(
      ({ target, stagedPath }) => target.kind === "folder" && isInside(stagedPath, container),
    );
    const device = deviceOf(container);
    if (holdsFolder && !synced.has(device)) {
      if ((await syncTree(textOf(container), signal)) === "file-system") synced.add(device);
    }
    parents.add(container).add(posix.dirname(container) as ByteString);
  }
  for (const { stagedPath } of layout.staged) {
    let path = posix.dirname(stagedPath) as ByteString;
    for (
      ;
      [...parents].every((parent) => path !== parent) && path !== "/";
      path = posix.dirname(path) as ByteString
    )
      parents.add(path);
  }
  await realDisk.syncDirectories(parents);
}

/** The writer takes paths as text. */
function textOf(path: ByteString): string {
  const text = byteStringToUtf8(path);
  if (text !== undefined) return text;
  throw new BackupError("unsupported", "Cannot restore below a folder whose name is not UTF-8", {
    hint: "Restore into another folder with --target.",
  });
}

function ownersWarning({ target }: StagedTarget, count: number): string {
  return `${target.name}: ${count} files and folders belong to the user who restored them, because only root can give files away`;
}
