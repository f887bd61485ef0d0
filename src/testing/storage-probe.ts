/**
 * What the checks of the storage contract are made of: streams that misbehave,
 * and short ways to read, list and expect failures.
 *
 * @module
 */

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { access, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ErrorKind, isBackupError } from "../domain/error.ts";
import type { Storage, StorageContent } from "../storage/storage.ts";

/** One law of the interface. Throws if the storage breaks it. */
export interface StorageCheck {
  /** A sentence that begins with the method. */
  readonly name: string;
  readonly run: (storage: Storage) => Promise<void>;
}

/** Never aborted. */
export const signal: AbortSignal = new AbortController().signal;
export const mebibyte: number = 1024 * 1024;

/** The whole object, or a range of it. */
export async function read(
  storage: Storage,
  name: string,
  range?: { offset: number; length: number },
  by: AbortSignal = signal,
): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(storage.get(name, range, by)));
}

/** Sorted names of what is listed. */
export async function names(storage: Storage, prefix: string, by: AbortSignal = signal): Promise<string[]> {
  const found = await Array.fromAsync(storage.list(prefix, by), (object) => object.name);
  return found.sort();
}

/** Asserts that the storage is empty, also of unfinished writes it would clean. */
export async function leavesNothing(storage: Storage, put: readonly string[]): Promise<void> {
  assert.deepEqual(await names(storage, ""), []);
  for (const name of put) assert.equal(await storage.stat(name, signal), undefined);
  // What a failed write left would be found here, were it not our own process that wrote it.
  assert.equal(await storage.cleanUnfinished(signal), 0);
}

/** Asserts that the promise fails with one of these kinds. */
export async function rejectsWith(
  promise: Promise<unknown>,
  kinds: ErrorKind | readonly ErrorKind[],
): Promise<void> {
  const wanted = typeof kinds === "string" ? [kinds] : kinds;
  await assert.rejects(promise, (error) => {
    assert.ok(isBackupError(error, ...wanted), `wanted ${wanted.join(" or ")}, got ${String(error)}`);
    return true;
  });
}

/** Asserts that the promise fails with the abort itself. */
export async function rejectsAborted(promise: Promise<unknown>): Promise<void> {
  await assert.rejects(promise, { name: "AbortError" });
}

/** Makes a file where the driver wants prepared files, and removes it afterwards if it is still there. */
export async function withPreparedFile(
  storage: Storage,
  content: Uint8Array,
  use: (path: string) => Promise<void>,
): Promise<void> {
  const staging = storage.properties.stagingDirectory;
  if (staging !== undefined) await mkdir(staging, { recursive: true, mode: 0o700 });
  const directory = await mkdtemp(join(staging ?? tmpdir(), "prepared-"));
  try {
    const path = join(directory, randomUUID());
    await writeFile(path, content);
    await use(path);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Tells whether something has this path. */
export async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** The UTF-8 bytes of a text. */
export function bytesOf(text: string): Buffer {
  return Buffer.from(text);
}

/** Bytes in which no piece looks like another, so that misplaced ones show. The caller's own, at most 5 MiB + 1. */
export function pattern(sizeBytes: number): Buffer {
  return Buffer.from(patternBytes.subarray(0, sizeBytes));
}

const patternBytes: Buffer = makePattern(5 * mebibyte + 4);

function makePattern(sizeBytes: number): Buffer {
  const words = new Uint32Array(sizeBytes / 4);
  let state = 12_345;
  for (let i = 0; i < words.length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    words[i] = state;
  }
  return Buffer.from(words.buffer);
}

/** A stream of the bytes in pieces. */
export async function* slices(bytes: Buffer, sizeBytes: number): AsyncIterable<Uint8Array> {
  for (let i = 0; i < bytes.byteLength; i += sizeBytes) yield bytes.subarray(i, i + sizeBytes);
}

/** A stream whose chunk `i` is filled with `i % 251`, always in the same buffer. */
export async function* reusingOneBuffer(count: number, sizeBytes: number): AsyncIterable<Uint8Array> {
  const buffer = Buffer.alloc(sizeBytes);
  for (let i = 0; i < count; i++) yield buffer.fill(i % 251);
}

/** A stream of two equal parts with a pause between them. */
export async function* pausing(
  sizeBytes: number,
  reached: () => void,
  resume: Promise<void>,
): AsyncIterable<Uint8Array> {
  yield pattern(sizeBytes);
  reached();
  await resume;
  yield pattern(sizeBytes);
}

/** A stream that fails after its first chunk. */
export function failing(): StorageContent {
  return (async function* () {
    yield bytesOf("half");
    throw new Error("the producer failed");
  })();
}
