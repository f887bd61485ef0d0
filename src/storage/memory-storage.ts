/**
 * Objects in memory: for tests, and as the model other drivers are compared with.
 *
 * @module
 */

import { readFile, rm } from "node:fs/promises";
import { type Clock, systemClock } from "../domain/clock.ts";
import { BackupError } from "../domain/error.ts";
import { checkObjectName, checkPrefix } from "./object-name.ts";
import type { ByteRange, Storage, StorageContent, StorageProperties, StoredObject } from "./storage.ts";

/** The interface's limit for one chunk. */
const chunkSizeBytes = 1024 * 1024;

interface MemoryObject {
  readonly bytes: Buffer;
  readonly modifiedAtMs: number;
}

/** A storage that is gone with the process. Holds everything whole, so only for small objects. */
export class MemoryStorage implements Storage {
  readonly location = "memory";
  readonly properties: StorageProperties = {
    putIfAbsent: true,
    consistentList: true,
    objectSizeBytesMax: 2 ** 31,
    readOnly: false,
  };
  readonly #objects = new Map<string, MemoryObject>();
  readonly #clock: Clock;

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  async put(name: string, content: StorageContent, signal: AbortSignal): Promise<void> {
    checkObjectName(name);
    const bytes = await collect(content, signal);
    signal.throwIfAborted();
    // From here to the end nothing waits, so of two racing writers one finds the other's object.
    if (this.#objects.has(name)) {
      throw new BackupError("exists", `Cannot store ${name}: an object of this name exists already`);
    }
    this.#objects.set(name, { bytes, modifiedAtMs: this.#clock.now() });
  }

  async *get(name: string, range: ByteRange | undefined, signal: AbortSignal): AsyncIterable<Uint8Array> {
    checkObjectName(name);
    signal.throwIfAborted();
    const object = this.#objects.get(name);
    if (object === undefined) throw new BackupError("not-found", `Cannot read ${name}: it does not exist`);
    const wanted = range === undefined ? object.bytes.byteLength : range.offset + range.length;
    const end = Math.min(wanted, object.bytes.byteLength);
    for (let position = range?.offset ?? 0; position < end; position += chunkSizeBytes) {
      signal.throwIfAborted();
      yield Buffer.from(object.bytes.subarray(position, Math.min(end, position + chunkSizeBytes)));
    }
    if (wanted > end) {
      throw new BackupError("damaged", `Cannot read ${name}: it ends at byte ${end}, wanted ${wanted}`);
    }
  }

  async stat(name: string, signal: AbortSignal): Promise<StoredObject | undefined> {
    checkObjectName(name);
    signal.throwIfAborted();
    const object = this.#objects.get(name);
    return object && describe(name, object);
  }

  async *list(prefix: string, signal: AbortSignal): AsyncIterable<StoredObject> {
    checkPrefix(prefix);
    signal.throwIfAborted();
    // A copy: what is stored or removed meanwhile does not disturb the walk.
    for (const [name, object] of [...this.#objects]) {
      signal.throwIfAborted();
      if (name.startsWith(prefix)) yield describe(name, object);
    }
  }

  async remove(names: readonly string[], signal: AbortSignal): Promise<void> {
    for (const name of names) checkObjectName(name);
    signal.throwIfAborted();
    for (const name of names) this.#objects.delete(name);
  }

  async freeBytes(_signal: AbortSignal): Promise<number | undefined> {
    return undefined;
  }

  async cleanUnfinished(_signal: AbortSignal): Promise<number> {
    return 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

async function collect(content: StorageContent, signal: AbortSignal): Promise<Buffer> {
  if (content instanceof Uint8Array) return Buffer.from(content);
  if ("preparedFile" in content) {
    try {
      signal.throwIfAborted();
      return await readFile(content.preparedFile);
    } finally {
      await rm(content.preparedFile, { force: true });
    }
  }
  signal.throwIfAborted();
  const chunks: Buffer[] = [];
  for await (const chunk of content) {
    signal.throwIfAborted();
    chunks.push(Buffer.from(chunk));
  }
  return Buffer.concat(chunks);
}

function describe(name: string, object: MemoryObject): StoredObject {
  return { name, sizeBytes: object.bytes.byteLength, modifiedAtMs: object.modifiedAtMs };
}
