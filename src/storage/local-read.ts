/**
 * Reads files of a local storage, in large chunks with one read ahead. Nothing
 * but a regular file is ever read: whoever can write into the vault folder could
 * plant a link to a secret, or a pipe that never answers.
 *
 * @module
 */

import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { BackupError } from "../domain/error.ts";
import { systemCode } from "./local-errors.ts";
import type { ByteRange } from "./storage.ts";

/** The interface's limit; also about where larger reads stop being faster. */
const chunkSizeBytes = 1024 * 1024;

// O_NONBLOCK: opening a pipe nobody writes to would wait for ever. It means nothing to regular files.
const readFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** An open regular file and its size. The caller closes it. */
export interface OpenFile {
  readonly handle: FileHandle;
  readonly sizeBytes: number;
}

/**
 * Opens a regular file for reading.
 *
 * @param name for messages
 * @throws {BackupError} `not-found`; `damaged` if something else than a file is there
 */
export async function openRegularFile(path: string, name: string): Promise<OpenFile> {
  let handle: FileHandle;
  try {
    handle = await open(path, readFlags);
  } catch (error) {
    const code = systemCode(error);
    if (code === "ENOENT" || code === "ENOTDIR") {
      throw notThere(name, error);
    }
    if (code === "ELOOP" || code === "EMLINK") throw notAFile(name, "a symbolic link", error);
    if (code === "ENXIO" || code === "ENODEV") throw notAFile(name, "a socket or a device", error);
    throw error;
  }
  try {
    const stats = await handle.stat();
    if (!stats.isFile()) throw notAFile(name, "no regular file");
    return { handle, sizeBytes: stats.size };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/**
 * Yields a range of an open file, or all of it, in chunks the caller may keep.
 *
 * @throws {BackupError} `damaged` if the file ends before the range does
 */
export async function* readOpenFile(
  file: OpenFile,
  name: string,
  range: ByteRange | undefined,
  signal: AbortSignal,
): AsyncIterable<Uint8Array> {
  const start = range?.offset ?? 0;
  const end = range === undefined ? file.sizeBytes : start + range.length;
  let ahead: Promise<Buffer> | undefined;
  try {
    for (let position = start; position < end; ) {
      signal.throwIfAborted();
      const chunk = await (ahead ?? readAt(file.handle, position, end));
      if (chunk.byteLength === 0) {
        throw new BackupError("damaged", `Cannot read ${name}: it ends at byte ${position}, wanted ${end}`);
      }
      position += chunk.byteLength;
      ahead = position < end ? readAhead(file.handle, position, end) : undefined;
      yield chunk;
    }
  } finally {
    // The file must not be closed under a read; its failure concerns nobody any more.
    await ahead?.catch(() => undefined);
  }
}

function readAhead(handle: FileHandle, position: number, end: number): Promise<Buffer> {
  const reading = readAt(handle, position, end);
  // A failure must not count as unhandled while the caller is busy with the chunk before.
  reading.catch(() => undefined);
  return reading;
}

async function readAt(handle: FileHandle, position: number, end: number): Promise<Buffer> {
  // A buffer of its own each time, not from the pool: the caller may keep it or hand it to a thread.
  const buffer = Buffer.allocUnsafeSlow(Math.min(chunkSizeBytes, end - position));
  const { bytesRead } = await handle.read(buffer, 0, buffer.byteLength, position);
  return bytesRead === buffer.byteLength ? buffer : buffer.subarray(0, bytesRead);
}

function notThere(name: string, cause: unknown): BackupError {
  return new BackupError("not-found", `Cannot read ${name}: it does not exist`, { cause });
}

function notAFile(name: string, what: string, cause?: unknown): BackupError {
  return new BackupError("damaged", `Cannot read ${name}: ${what} is in its place`, {
    cause,
    hint: "Somebody or something changed the vault folder; look at who can write to it.",
  });
}
