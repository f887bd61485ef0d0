/**
 * Makes a whole restored tree durable before it is swapped in (I4).
 *
 * @module
 */

import { execFile } from "node:child_process";
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { resolve } from "node:path";
import { type ByteString, byteStringFromText, byteStringToUtf8 } from "../../domain/byte-string.ts";
import { BackupError, errorText } from "../../domain/error.ts";
import { Breather } from "../folder/breather.ts";
import { type NameSource, readManyNames } from "../folder/directory-names.ts";
import { absolutePath } from "./entry-path.ts";
import { shortPath, withShortPath } from "./short-path.ts";

/** `file-system`: one syncfs(2) for all of it. `each`: every file and directory by itself. */
export type SyncMethod = "file-system" | "each";

export interface SyncTreeOptions {
  /** The program that takes `-f DIR`; for tests. */
  readonly syncCommand?: string;
}

/** Files synced at a time: enough for the disk to merge the flushes of its cache, few descriptors. */
const syncsAtOnce = 16;

/**
 * Returns when everything below `directory`, and the directory, would survive a power cut.
 *
 * It asks `sync -f` of coreutils, because Node has no syncfs and one fsync a file takes
 * minutes for many small ones. Where there is no such program it does take them.
 *
 * @throws {BackupError} `storage-unavailable` if the disk refuses; `no-space`
 */
export async function syncTree(
  directory: string,
  signal: AbortSignal,
  options: SyncTreeOptions = {},
): Promise<SyncMethod> {
  signal.throwIfAborted();
  const path = byteStringFromText(resolve(directory));
  if (await syncFileSystem(options.syncCommand ?? "sync", path, signal)) return "file-system";
  try {
    await syncEach(path, signal);
  } catch (cause) {
    signal.throwIfAborted();
    throw notDurable(directory, cause);
  }
  return "each";
}

function notDurable(directory: string, cause: unknown): BackupError {
  const { code } = cause as { readonly code?: unknown };
  const kind = code === "ENOSPC" || code === "EDQUOT" ? "no-space" : "storage-unavailable";
  const message = `Cannot make ${directory} durable: ${errorText(cause)}`;
  return new BackupError(kind, message, { cause });
}

/** False where the program is missing, does not know `-f`, or says it failed: then the other way tells why. */
async function syncFileSystem(command: string, directory: ByteString, signal: AbortSignal): Promise<boolean> {
  using short = shortPath(directory);
  // What this process has open the other one knows under this name.
  const path = (byteStringToUtf8(short.path) ?? "").replace(/^\/proc\/self\//, `/proc/${process.pid}/`);
  return await new Promise((settle, reject) => {
    execFile(command, ["-f", path], { signal }, (error) => {
      if (signal.aborted) reject(signal.reason);
      else settle(error === null);
    });
  });
}

async function syncEach(directory: ByteString, signal: AbortSignal): Promise<void> {
  const breather = new Breather();
  const waiting: Promise<void>[] = [];
  const directories = [directory];
  for (let next = directories.pop(); next !== undefined; next = directories.pop()) {
    using short = shortPath(next);
    const names = await readManyNames(short.path, breather, signal);
    for (const path of pathsIn(next, names)) {
      waiting.push(syncPath(path, directories));
      if (waiting.length >= syncsAtOnce) await Promise.all(waiting.splice(0));
      signal.throwIfAborted();
    }
    await Promise.all(waiting.splice(0));
    await syncOpened(next, constants.O_DIRECTORY);
  }
}

function* pathsIn(directory: ByteString, names: NameSource): Generator<ByteString> {
  for (let name = names.next(); name !== undefined; name = names.next()) yield absolutePath(directory, name);
}

/** Syncs a file; a directory is put on the list, a link is part of its directory. */
async function syncPath(path: ByteString, directories: ByteString[]): Promise<void> {
  try {
    if ((await syncOpened(path, 0)) === "directory") directories.push(path);
  } catch (error) {
    // O_NOFOLLOW met a link.
    if ((error as NodeJS.ErrnoException).code !== "ELOOP") throw error;
  }
}

async function syncOpened(path: ByteString, flags: number): Promise<"file" | "directory"> {
  const all = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | flags;
  await using handle = await withShortPath(path, (short) => open(short, all));
  const isDirectory = flags === 0 && (await handle.stat()).isDirectory();
  if (isDirectory) return "directory";
  await handle.sync();
  return "file";
}
