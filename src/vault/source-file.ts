/**
 * Opens files of the source for reading, in ways that a file which is swapped for
 * something else meanwhile cannot abuse, and tells whether one changed while it was
 * read (I9: nothing here writes, and access times stay as they are where the system lets us).
 *
 * @module
 */

import type { BigIntStats } from "node:fs";
import { closeSync, constants, fstatSync, open, openSync, read, readlinkSync, readSync } from "node:fs";
import type { ByteString } from "../domain/byte-string.ts";
import { byteStringFromText, byteStringToPath } from "../domain/byte-string.ts";
import type { Entry, EntryContent } from "../domain/entry.ts";
import { BackupError, reasonText } from "../domain/error.ts";
import type { EntryFacts } from "../format/archive/contents-line.ts";

/** O_NOFOLLOW: a link planted since the walk is not followed. O_NONBLOCK: a pipe planted since does not hang the open. */
const openFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
/** Only Linux has it, and it is refused (EPERM) on files of other owners. */
const noAccessTime = constants.O_NOATIME ?? 0;

/** A source file that could not be read; `problem` is for the report. */
export class SourceFileError extends Error {
  readonly problem: "vanished" | "unreadable";

  constructor(problem: "vanished" | "unreadable", message: string, cause?: unknown) {
    super(message, { cause });
    this.problem = problem;
  }
}

/** An open source file and what it looked like when opened. */
export interface OpenSource {
  readonly descriptor: number;
  readonly stats: BigIntStats;
  readonly sizeBytes: number;
}

/** Opens what an entry's content names. @throws {SourceFileError} */
export async function openSource(content: EntryContent): Promise<OpenSource> {
  if (content.from === "stream") throw new BackupError("bug", "Cannot open a file: it is a stream");
  const path = content.from === "image" ? byteStringFromText(content.path) : content.path;
  return checkOpened(await openFile(path), path, content.from);
}

/** As {@link openSource}, at once: for threads that do nothing else. @throws {SourceFileError} */
export function openSourceNow(path: ByteString, from: "path" | "image"): OpenSource {
  return checkOpened(openFileNow(path), path, from);
}

/** As {@link readSource}, at once. @throws {SourceFileError} */
export function readSourceNow(
  descriptor: number,
  target: Uint8Array,
  place: { readonly at: number; readonly length: number; readonly position: number },
): number {
  const { at, length, position } = place;
  let done = 0;
  try {
    while (done < length) {
      const count = readSync(descriptor, target, at + done, length - done, position + done);
      if (count === 0) break;
      done += count;
    }
  } catch (error) {
    throw sourceError(error);
  }
  return done;
}

function checkOpened(descriptor: number, path: ByteString, from: "path" | "image"): OpenSource {
  try {
    const stats = statDescriptor(descriptor);
    const isIt = stats.isFile() && (from === "image" || isStillAt(descriptor, path));
    if (!isIt) throw new SourceFileError("vanished", "Something else took its place");
    return { descriptor, stats, sizeBytes: Number(stats.size) };
  } catch (error) {
    closeSource(descriptor);
    throw sourceError(error);
  }
}

/** Reads until `length` bytes are there or the file ends; returns how many. @throws {SourceFileError} */
export async function readSource(
  descriptor: number,
  target: Buffer,
  place: { readonly at: number; readonly length: number; readonly position: number },
): Promise<number> {
  let done = 0;
  while (done < place.length) {
    const count = await readOnce(descriptor, target, {
      at: place.at + done,
      length: place.length - done,
      position: place.position + done,
    });
    if (count === 0) break;
    done += count;
  }
  return done;
}

/** Tells whether an open file is no longer as it was when opened. @throws {SourceFileError} */
export function hasChanged(source: OpenSource): boolean {
  const now = statDescriptor(source.descriptor);
  return (
    now.size !== source.stats.size ||
    now.mtimeNs !== source.stats.mtimeNs ||
    now.ctimeNs !== source.stats.ctimeNs
  );
}

/** Closes; a failure to close a file that was only read means nothing. */
export function closeSource(descriptor: number): void {
  try {
    closeSync(descriptor);
  } catch {
    // Linux has released the descriptor all the same.
  }
}

/** What is to be recorded of a file whose content was just read: what it was then, not what the walk saw. */
export function factsOf(entry: Entry, source: OpenSource, sizeBytes: number): EntryFacts {
  const { root, path, kind } = entry;
  if (entry.content?.from === "image") {
    const { mode, uid, gid, mtimeNs, ctimeNs, inode } = entry;
    return { root, path, kind, mode, uid, gid, mtimeNs, ctimeNs, inode, sizeBytes };
  }
  const { mode, uid, gid, mtimeNs, ctimeNs, ino } = source.stats;
  return {
    root,
    path,
    kind,
    mode: Number(mode) & 0o7777,
    uid: Number(uid),
    gid: Number(gid),
    mtimeNs,
    ctimeNs,
    inode: ino,
    sizeBytes,
  };
}

function openFile(path: ByteString): Promise<number> {
  const name = byteStringToPath(path);
  return new Promise((resolve, reject) => {
    open(name, openFlags | noAccessTime, (error, descriptor) => {
      if (error === null) resolve(descriptor);
      else if (error.code !== "EPERM" || noAccessTime === 0) reject(sourceError(error));
      else {
        open(name, openFlags, (again, plain) =>
          again === null ? resolve(plain) : reject(sourceError(again)),
        );
      }
    });
  });
}

function openFileNow(path: ByteString): number {
  const name = byteStringToPath(path);
  try {
    return openSync(name, openFlags | noAccessTime);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPERM" || noAccessTime === 0) throw sourceError(error);
  }
  try {
    return openSync(name, openFlags);
  } catch (error) {
    throw sourceError(error);
  }
}

function readOnce(
  descriptor: number,
  target: Buffer,
  place: { readonly at: number; readonly length: number; readonly position: number },
): Promise<number> {
  return new Promise((resolve, reject) => {
    read(descriptor, target, place.at, place.length, place.position, (error, count) => {
      if (error === null) resolve(count);
      else reject(sourceError(error));
    });
  });
}

/**
 * O_NOFOLLOW looks at the last name only. A stranger who may rename folders could put a link in
 * the place of one that was walked, and have us read what lies elsewhere: Linux tells what was opened.
 */
function isStillAt(descriptor: number, path: ByteString): boolean {
  let opened: string;
  try {
    opened = readlinkSync(`/proc/self/fd/${descriptor}`, { encoding: "latin1" });
  } catch {
    // Not Linux, or /proc is not there: then there is nobody to ask.
    return true;
  }
  return opened === path || opened === `${path} (deleted)`;
}

/** At once, because the inode of an open file is in memory: a trip through the thread pool costs ten times as much. */
function statDescriptor(descriptor: number): BigIntStats {
  try {
    return fstatSync(descriptor, { bigint: true });
  } catch (error) {
    throw sourceError(error);
  }
}

/** ELOOP: a link took its place. ENXIO: a socket did. */
const vanishedCodes: ReadonlySet<string> = new Set(["ENOENT", "ENOTDIR", "ELOOP", "ENXIO"]);

function sourceError(error: unknown): Error {
  if (error instanceof SourceFileError || error instanceof BackupError) return error;
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (vanishedCodes.has(code)) {
    return new SourceFileError(
      "vanished",
      code === "ENOENT" ? "It is gone" : "Something else took its place",
      error,
    );
  }
  if (code === "") return new BackupError("bug", "Cannot read a file: unexpected failure", { cause: error });
  return new SourceFileError("unreadable", `It cannot be read: ${reasonText(error)}`, error);
}
