/**
 * A live database as files: what is there, whether it stayed the same, and raw
 * copies of it. Runs in capture processes only, and closes no descriptor of a
 * database while SQLite has it open there.
 *
 * @module
 */

import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readSync,
  writeSync,
} from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { type ByteString, byteStringToPath } from "../../domain/byte-string.ts";
import { systemClock } from "../../domain/clock.ts";
import { headerBytes } from "../../format/sqlite/header.ts";
import type { SidecarSuffix } from "../../format/sqlite/sidecar.ts";
import { WriteOut } from "./write-out.ts";

/** Copies and comparisons go in pieces of this size: few calls, little memory. */
export const blockBytes: number = 1024 * 1024;
/** What a core's cache holds: 940 MB are copied in 0.34 s, in pieces of 1 MiB in 0.7 s. */
const copyBlockBytes = 256 * 1024;

/** What one look at the folder saw. `undefined`: not there. */
export interface LiveFiles {
  readonly database: BigIntStats | undefined;
  readonly journal: BigIntStats | undefined;
  readonly wal: BigIntStats | undefined;
  readonly shm: BigIntStats | undefined;
}

/** The path of one of a database's sidecars. */
export function sidecarPath(path: ByteString, suffix: SidecarSuffix): ByteString {
  return `${path}${suffix}` as ByteString;
}

/** Looks at a database and its sidecars without opening anything. */
export function lookAt(path: ByteString): LiveFiles {
  return {
    database: statOf(path),
    journal: statOf(sidecarPath(path, "-journal")),
    wal: statOf(sidecarPath(path, "-wal")),
    shm: statOf(sidecarPath(path, "-shm")),
  };
}

/** Tells whether nothing was written, replaced, made or removed between two looks. */
export function sameFiles(a: LiveFiles, b: LiveFiles): boolean {
  return (
    sameFile(a.database, b.database) &&
    sameFile(a.journal, b.journal) &&
    sameFile(a.wal, b.wal) &&
    sameFile(a.shm, b.shm)
  );
}

/**
 * Tells whether two looks saw one and the same state of a file; two absences are the same.
 * The time of the last change of attributes is left out: SQLite run as root gives
 * sidecars to the database's owner each time it opens them, which sets it.
 */
export function sameFile(a: BigIntStats | undefined, b: BigIntStats | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.ino === b.ino && a.dev === b.dev && a.size === b.size && a.mtimeNs === b.mtimeNs;
}

/** The newest time at which any of the files was written, milliseconds since 1970. */
export function lastChangeMs(files: LiveFiles): number {
  const times = [files.database, files.journal, files.wal].map((stat) => Number(stat?.mtimeNs ?? 0n) / 1e6);
  return Math.max(...times);
}

/** The first bytes of a file, as many as a database header takes. Not while SQLite has it open here. */
export function readStart(path: ByteString, length: number = headerBytes): Uint8Array {
  const fd = openForReading(path);
  try {
    return readAt(fd, 0, length);
  } finally {
    closeSync(fd);
  }
}

/** The last bytes of a file. */
export function readEnd(path: string, length: number): Uint8Array {
  const fd = openSync(path, constants.O_RDONLY);
  try {
    return readAt(fd, Math.max(0, fstatSync(fd).size - length), length);
  } finally {
    closeSync(fd);
  }
}

/** Opens a file of somebody else: never through a link, never waiting for a pipe. */
export function openForReading(path: ByteString): number {
  return openSync(byteStringToPath(path), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
}

/** Makes an image file that does not exist yet, readable by its owner alone. */
export function createImage(imagePath: string): Promise<FileHandle> {
  return open(imagePath, "wx+", 0o600);
}

export interface CopyOptions {
  /** Bytes to copy at most: a writer may append faster than we copy. */
  readonly limit: number;
  /** Told of the bytes written so far, which are not written again. */
  readonly report: (done: number) => void;
  /** Changes a block before it is written. It begins at a multiple of 64 KiB, the largest page. */
  readonly patch?: (block: Buffer, position: number) => void;
}

/**
 * Copies the first bytes of `fd`, or all where it is shorter by now.
 *
 * @returns How many bytes there were.
 */
export async function copyBytes(
  fd: number,
  to: FileHandle,
  { limit, report, patch }: CopyOptions,
): Promise<number> {
  const buffer = Buffer.allocUnsafe(copyBlockBytes);
  let position = 0;
  const writeOut = new WriteOut(to, systemClock);
  while (position < limit) {
    // At once, not through the pool: this process has nothing else to do, and the block stays in the core's cache.
    const block = readFully(fd, buffer.subarray(0, Math.min(copyBlockBytes, limit - position)), position);
    if (block.length === 0) break;
    patch?.(block, position);
    writeFully(to, block, position);
    position += block.length;
    if (writeOut.isDue(position)) await writeOut.begin(position, limit - position);
    report(position);
  }
  await writeOut.end();
  return position;
}

/** Copies the start of an open file to a new private one. */
export async function copyToImage(fd: number, copyPath: string, options: CopyOptions): Promise<number> {
  await using copy = await createImage(copyPath);
  return await copyBytes(fd, copy, options);
}

/** Copies a file, as long as it is when this begins, to a new private one. */
export async function copyFileTo(
  path: ByteString,
  copyPath: string,
  report: (done: number) => void,
): Promise<number> {
  const fd = openForReading(path);
  try {
    return await copyToImage(fd, copyPath, { limit: fstatSync(fd).size, report });
  } finally {
    closeSync(fd);
  }
}

/** Fills the buffer; what it answers is shorter at the file's end only. */
function readFully(fd: number, buffer: Buffer, position: number): Buffer {
  let done = 0;
  while (done < buffer.length) {
    const read = readSync(fd, buffer, done, buffer.length - done, position + done);
    if (read === 0) break;
    done += read;
  }
  return buffer.subarray(0, done);
}

/** Writes all of the bytes at a position. */
export function writeFully(to: FileHandle, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(to.fd, bytes, done, bytes.length - done, position + done);
  }
}

/** Makes a new name in a folder survive a power cut. */
export async function syncFolder(folder: string): Promise<void> {
  await using handle = await open(folder, "r");
  await handle.sync();
}

/** Reads up to `length` bytes at a position; fewer at the file's end. */
export function readAt(fd: number, position: number, length: number): Uint8Array {
  return readFully(fd, Buffer.alloc(length), position);
}

function statOf(path: ByteString): BigIntStats | undefined {
  return lstatSync(byteStringToPath(path), { bigint: true, throwIfNoEntry: false });
}
