/**
 * Puts a captured database into the storage, hashed in the same pass.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { type FileHandle, open, rm } from "node:fs/promises";
import { resolve, sep } from "node:path";
import { BackupError } from "../../domain/error.ts";
import type { Storage } from "../../storage/storage.ts";
import type { DatabaseImage } from "../vault.ts";
import { type ForeseenHash, looksOf } from "./expected-image.ts";
import { fileError } from "./file-error.ts";

/** Large enough for few system calls, small enough not to hold up a server that embeds the library. */
const chunkSizeBytes = 1024 * 1024;

/**
 * Stores the image under `name` and returns its SHA-256. The image file is gone afterwards,
 * whatever the outcome.
 *
 * @param foreseen Its hash, where that was worked out already
 * @throws {BackupError} `damaged` if the image is not as large as it is said to be
 */
export async function storeDatabase(
  storage: Storage,
  name: string,
  image: DatabaseImage,
  foreseen: ForeseenHash | undefined,
  signal: AbortSignal,
): Promise<string> {
  try {
    await using file = await open(image.imagePath, "r");
    const reading = new HashedFile(file);
    if (isPrepared(storage, image.imagePath) && foreseen?.looks === (await looksOf(file))) {
      await storage.put(name, { preparedFile: image.imagePath }, signal);
      await checkSizes(storage, name, image, { hashedBytes: foreseen.sizeBytes, signal });
      return foreseen.sha256;
    }
    if (isPrepared(storage, image.imagePath)) {
      // The open file stays readable wherever the storage moves it, so hashing overlaps its syncing.
      const put = storage.put(name, { preparedFile: image.imagePath }, signal);
      await bothOrThrow(put, reading.readThrough(signal));
    } else {
      await storage.put(name, reading.chunks(signal), signal);
    }
    await checkSizes(storage, name, image, { hashedBytes: reading.sizeBytes, signal });
    return reading.sha256();
  } catch (error) {
    throw fileError("read the image", image.imagePath, error);
  } finally {
    await rm(image.imagePath, { force: true });
  }
}

function isPrepared(storage: Storage, path: string): boolean {
  const { stagingDirectory } = storage.properties;
  return stagingDirectory !== undefined && resolve(path).startsWith(resolve(stagingDirectory) + sep);
}

async function checkSizes(
  storage: Storage,
  name: string,
  image: DatabaseImage,
  found: { readonly hashedBytes: number; readonly signal: AbortSignal },
): Promise<void> {
  const stored = await storage.stat(name, found.signal);
  if (found.hashedBytes === image.sizeBytes && stored?.sizeBytes === image.sizeBytes) return;
  throw new BackupError(
    "damaged",
    `Cannot store ${name}: it has ${stored?.sizeBytes ?? 0} bytes and ${found.hashedBytes} were read, wanted ${image.sizeBytes}`,
  );
}

/** Waits for both, so that nothing runs on after a failure. */
async function bothOrThrow(first: Promise<unknown>, second: Promise<unknown>): Promise<void> {
  for (const result of await Promise.allSettled([first, second])) {
    if (result.status === "rejected") throw result.reason;
  }
}

/** Reads a file once, from its beginning, and hashes what it reads. */
class HashedFile {
  readonly #file: FileHandle;
  readonly #hash = createHash("sha256");
  sizeBytes = 0;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  /** The file's bytes. A chunk is valid until the next one is asked for. */
  async *chunks(signal: AbortSignal): AsyncIterable<Uint8Array> {
    const buffer = Buffer.allocUnsafe(chunkSizeBytes);
    for (;;) {
      signal.throwIfAborted();
      const { bytesRead } = await this.#file.read(buffer, 0, chunkSizeBytes, this.sizeBytes);
      if (bytesRead === 0) return;
      const chunk = buffer.subarray(0, bytesRead);
      this.sizeBytes += bytesRead;
      this.#hash.update(chunk);
      yield chunk;
    }
  }

  async readThrough(signal: AbortSignal): Promise<void> {
    for await (const _ of this.chunks(signal)) signal.throwIfAborted();
  }

  /** To be called once, at the end. */
  sha256(): string {
    return this.#hash.digest("hex");
  }
}
