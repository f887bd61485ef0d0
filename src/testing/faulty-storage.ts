/**
 * A storage that fails where a test says, in every way a storage can fail. Wraps
 * any other, and counts what is asked of it.
 *
 * @module
 */

import { rm } from "node:fs/promises";
import { BackupError } from "../domain/error.ts";
import type {
  ByteRange,
  Storage,
  StorageContent,
  StorageProperties,
  StoredObject,
} from "../storage/storage.ts";

/** The methods of {@link Storage} that can fail. */
export const storageOperations: readonly [
  "put",
  "get",
  "stat",
  "list",
  "remove",
  "freeBytes",
  "cleanUnfinished",
] = ["put", "get", "stat", "list", "remove", "freeBytes", "cleanUnfinished"];
export type StorageOperation = (typeof storageOperations)[number];

/**
 * - `before`: nothing happened
 * - `after`: it happened, and the answer was lost
 * - `torn`: a part of it happened: half of a stream was taken, half of the names
 *   were removed, half of the listing or of the bytes came
 */
export type FaultMode = "before" | "after" | "torn";

/** One failure. */
export interface Fault {
  readonly operation: StorageOperation;
  /** Which call of this operation fails, counted from 1. */
  readonly nth: number;
  readonly mode: FaultMode;
  /** Every later call fails too, as when the process died there. */
  readonly crash: boolean;
}

/** The ways in which an operation can fail that differ in what is left. */
export function faultModesOf(operation: StorageOperation): readonly FaultMode[] {
  // Looking up one thing has no half, and leaves nothing whether it happened or not.
  return operation === "stat" || operation === "freeBytes" ? ["before"] : ["before", "torn", "after"];
}

/** Wraps a storage and lets at most one call fail. Disposing leaves the wrapped storage open. */
export class FaultyStorage implements Storage {
  readonly location: string;
  readonly properties: StorageProperties;
  readonly #inner: Storage;
  readonly #fault: Fault | undefined;
  readonly #calls = new Map<StorageOperation, number>();
  #fired = false;

  constructor(inner: Storage, fault?: Fault) {
    this.location = inner.location;
    this.properties = inner.properties;
    this.#inner = inner;
    this.#fault = fault;
  }

  /** Whether the call that was to fail has come. */
  get fired(): boolean {
    return this.#fired;
  }

  /** How often an operation was asked for. */
  callsOf(operation: StorageOperation): number {
    return this.#calls.get(operation) ?? 0;
  }

  async put(name: string, content: StorageContent, signal: AbortSignal): Promise<void> {
    const mode = await this.#enter("put", () => abandon(content));
    if (mode === "torn") return this.#putHalf(name, content, signal);
    await this.#inner.put(name, content, signal);
    if (mode === "after") throw injected("put");
  }

  get(name: string, range: ByteRange | undefined, signal: AbortSignal): AsyncIterable<Uint8Array> {
    // Counted when asked for, not when first read, so that the count does not depend on the reader.
    const entering = this.#entering("get");
    return this.#getOrFail(entering, this.#inner.get(name, range, signal));
  }

  async stat(name: string, signal: AbortSignal): Promise<StoredObject | undefined> {
    await this.#enter("stat");
    return this.#inner.stat(name, signal);
  }

  list(prefix: string, signal: AbortSignal): AsyncIterable<StoredObject> {
    const entering = this.#entering("list");
    return this.#listOrFail(entering, this.#inner.list(prefix, signal));
  }

  async remove(names: readonly string[], signal: AbortSignal): Promise<void> {
    const mode = await this.#enter("remove");
    await this.#inner.remove(mode === "torn" ? names.slice(0, Math.floor(names.length / 2)) : names, signal);
    if (mode !== undefined) throw injected("remove");
  }

  async freeBytes(signal: AbortSignal): Promise<number | undefined> {
    await this.#enter("freeBytes");
    return this.#inner.freeBytes(signal);
  }

  async cleanUnfinished(signal: AbortSignal): Promise<number> {
    const mode = await this.#enter("cleanUnfinished");
    const removed = await this.#inner.cleanUnfinished(signal);
    if (mode !== undefined) throw injected("cleanUnfinished");
    return removed;
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  /** The mode in which this call fails, or undefined where it succeeds. */
  #entering(operation: StorageOperation): FaultMode | undefined {
    const fault = this.#fault;
    if (this.#fired && fault?.crash) return "before";
    const nth = this.callsOf(operation) + 1;
    this.#calls.set(operation, nth);
    if (this.#fired || fault?.operation !== operation || fault.nth !== nth) return undefined;
    this.#fired = true;
    return fault.mode;
  }

  async #enter(operation: StorageOperation, undo?: () => Promise<void>): Promise<FaultMode | undefined> {
    const mode = this.#entering(operation);
    if (mode !== "before") return mode;
    await undo?.();
    throw injected(operation);
  }

  async #putHalf(name: string, content: StorageContent, signal: AbortSignal): Promise<void> {
    if ("preparedFile" in content) {
      await abandon(content);
      throw injected("put");
    }
    // The driver itself meets the failure, so its own cleaning up is tested as well.
    await this.#inner.put(name, firstHalf(content), signal);
  }

  async *#getOrFail(
    mode: FaultMode | undefined,
    content: AsyncIterable<Uint8Array>,
  ): AsyncIterable<Uint8Array> {
    if (mode === "before") throw injected("get");
    for await (const chunk of content) {
      if (mode === "torn") {
        yield chunk.subarray(0, chunk.byteLength >> 1);
        throw injected("get");
      }
      yield chunk;
    }
    if (mode !== undefined) throw injected("get");
  }

  async *#listOrFail(
    mode: FaultMode | undefined,
    objects: AsyncIterable<StoredObject>,
  ): AsyncIterable<StoredObject> {
    if (mode === "before") throw injected("list");
    if (mode === "torn") {
      const all = await Array.fromAsync(objects);
      yield* all.slice(0, all.length >> 1);
      throw injected("list");
    }
    yield* objects;
    if (mode === "after") throw injected("list");
  }
}

/** Tells whether `error` was injected by a {@link FaultyStorage}, or carries one as its cause. */
export function isInjectedFault(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) {
    if (at instanceof BackupError && at.details["injected"] === 1) return true;
  }
  return false;
}

function injected(operation: StorageOperation): BackupError {
  return new BackupError("storage-unavailable", `Cannot ${operation}: a failure was injected by the test`, {
    details: { injected: 1 },
  });
}

async function* firstHalf(content: Uint8Array | AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  if (content instanceof Uint8Array) {
    yield content.subarray(0, content.byteLength >> 1);
  } else {
    for await (const chunk of content) {
      yield chunk.subarray(0, chunk.byteLength >> 1);
      break;
    }
  }
  throw injected("put");
}

/** Keeps the promise of `put` that a prepared file is taken over whatever the outcome. */
async function abandon(content: StorageContent): Promise<void> {
  if ("preparedFile" in content) await rm(content.preparedFile, { force: true });
}
