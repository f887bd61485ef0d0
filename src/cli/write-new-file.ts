/**
 * Writes bytes into a file that is there whole or not at all.
 *
 * @module
 */

import { randomUUID } from "node:crypto";
import { link, open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { BackupError, errorText } from "../domain/error.ts";

export interface WriteOptions {
  /** Take the place of a file of that name, when all bytes are there. */
  readonly replace: boolean;
  readonly signal: AbortSignal;
}

/**
 * Returns how many bytes were written. The file can be read by its owner only: it may be anything
 * that was backed up.
 *
 * @throws {BackupError} `exists` if something has the name and is not to be replaced; `no-space`;
 *   `storage-unavailable`; and whatever the bytes end with, in which case there is no file
 */
export async function writeNewFile(
  path: string,
  bytes: AsyncIterable<Uint8Array>,
  { replace, signal }: WriteOptions,
): Promise<number> {
  const unfinished = join(dirname(path), `.${basename(path).slice(0, 100)}.${randomUUID()}.part`);
  try {
    const written = await writeAll(unfinished, bytes, signal);
    // I6: it gets its name when all of it was verified, and a file that is there is not lost before.
    if (replace) await rename(unfinished, path);
    else await link(unfinished, path);
    return written;
  } catch (error) {
    throw fileError(path, error);
  } finally {
    await rm(unfinished, { force: true });
  }
}

async function writeAll(
  path: string,
  bytes: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<number> {
  await using file = await open(path, "wx", 0o600);
  let written = 0;
  for await (const chunk of bytes) {
    signal.throwIfAborted();
    await file.writeFile(chunk);
    written += chunk.length;
  }
  await file.sync();
  return written;
}

function fileError(path: string, error: unknown): unknown {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (code === "EEXIST") {
    return new BackupError("exists", `Cannot write ${path}: it exists`, {
      cause: error,
      hint: "Name another file, or add --force to replace it.",
    });
  }
  // Codes of the file system are in capitals; everything else comes from the bytes.
  if (!/^E[A-Z0-9]+$/.test(code)) return error;
  const kind = code === "ENOSPC" || code === "EDQUOT" ? "no-space" : "storage-unavailable";
  return new BackupError(kind, `Cannot write ${path}: ${errorText(error)}`, { cause: error });
}
