/**
 * The files of one folder outside any vault, read as if they were objects of one.
 * Only what lies beside the named file is reachable, by its last name component.
 *
 * @module
 */

import { open, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { BackupError } from "../../domain/error.ts";
import type { ByteRange, Storage, StorageProperties, StoredObject } from "../../storage/storage.ts";
import { fileError } from "./file-error.ts";

const chunkSizeBytes = 1024 * 1024;

export class LooseFiles implements Storage {
  readonly location: string;
  readonly properties: StorageProperties = {
    putIfAbsent: false,
    consistentList: true,
    objectSizeBytesMax: 0,
    readOnly: true,
  };

  constructor(directory: string) {
    this.location = directory;
  }

  async *get(name: string, range: ByteRange | undefined, signal: AbortSignal): AsyncIterable<Uint8Array> {
    const path = this.#pathOf(name);
    try {
      await using file = await open(path, "r");
      let position = range?.offset ?? 0;
      const end = range === undefined ? Number.POSITIVE_INFINITY : position + range.length;
      while (position < end) {
        signal.throwIfAborted();
        // A buffer of its own for each chunk, because chunks are the caller's to keep.
        const buffer = Buffer.allocUnsafe(Math.min(chunkSizeBytes, end - position));
        const { bytesRead } = await file.read(buffer, 0, buffer.byteLength, position);
        if (bytesRead === 0) break;
        position += bytesRead;
        yield buffer.subarray(0, bytesRead);
      }
      if (range !== undefined && position < end) {
        throw new BackupError("damaged", `Cannot read ${path}: it ends at byte ${position}, wanted ${end}`);
      }
    } catch (error) {
      throw fileError("read", path, error);
    }
  }

  async stat(name: string, signal: AbortSignal): Promise<StoredObject | undefined> {
    signal.throwIfAborted();
    const path = this.#pathOf(name);
    try {
      const stats = await stat(path);
      return stats.isFile() ? { name, sizeBytes: stats.size, modifiedAtMs: stats.mtimeMs } : undefined;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw fileError("read", path, error);
    }
  }

  // biome-ignore lint/correctness/useYield: a folder outside a vault has nothing to list
  async *list(): AsyncIterable<StoredObject> {
    throw this.#refusal();
  }

  async put(): Promise<void> {
    throw this.#refusal();
  }

  async remove(): Promise<void> {
    throw this.#refusal();
  }

  async freeBytes(): Promise<number | undefined> {
    return undefined;
  }

  async cleanUnfinished(): Promise<number> {
    return 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  #pathOf(name: string): string {
    return join(this.location, basename(name));
  }

  #refusal(): BackupError {
    return new BackupError("bug", `Cannot use ${this.location} as a vault: it is read file by file`);
  }
}
