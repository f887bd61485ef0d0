/**
 * The names in a directory, in raw byte order. Ordinary directories are read in
 * one call; very large ones in slices, so that neither the event loop nor memory
 * suffers: only the names are held.
 *
 * @module
 */

import { opendirSync, readdirSync } from "node:fs";
import { asByteString, type ByteString, byteStringToPath } from "../../domain/byte-string.ts";
import type { Breather } from "./breather.ts";

/**
 * Directories whose own size is above this are read in slices. At 20 bytes a name
 * (tmpfs, the smallest in use) it is 13,000 names, which one call reads in 10 ms.
 */
const largeDirectoryBytes = 256 * 1024;

/** Names sorted at a time: 2 ms of work. */
const namesPerRun = 4096;

/** Hands out names one by one. */
export interface NameSource {
  /** The next name in raw byte order, or undefined at the end. */
  next(): ByteString | undefined;
}

/** Tells from the size of a directory, as `lstat` has it, whether its names are to be read in slices. */
export function isLargeDirectory(sizeBytes: number): boolean {
  return sizeBytes > largeDirectoryBytes;
}

/** Reads all names in one call. @throws whatever the file system throws */
export function readNames(directory: ByteString): NameSource {
  return namesFromSorted(readdirSync(byteStringToPath(directory), { encoding: "latin1" }).sort());
}

/** Reads the names slice by slice, breathing in between. @throws whatever the file system throws */
export async function readManyNames(
  directory: ByteString,
  breather: Breather,
  signal: AbortSignal,
): Promise<NameSource> {
  using handle = opendirSync(byteStringToPath(directory), { encoding: "latin1", bufferSize: 1024 });
  const runs: string[] = [];
  let run: string[] = [];
  for (let found = handle.readSync(); found !== null; found = handle.readSync()) {
    run.push(found.name);
    if (run.length === namesPerRun) {
      runs.push(packSortedRun(run.sort()));
      run = [];
    }
    if (breather.isDue()) await breather.breathe(signal);
  }
  runs.push(packSortedRun(run.sort()));
  return mergeSortedRuns(runs);
}

/** Hands out names that are in order already. */
export function namesFromSorted(names: readonly string[]): NameSource {
  let index = 0;
  return {
    next: () => {
      const name = names[index++];
      return name === undefined ? undefined : asByteString(name);
    },
  };
}

/** One string for many sorted names: a million separate ones take 400 MB while the heap grows, packed 25. */
export function packSortedRun(names: readonly string[]): string {
  return names.map((name) => `${name}/`).join("");
}

/** Merges packed runs lazily, so that no step takes long however many names there are. */
export function mergeSortedRuns(packedRuns: readonly string[]): NameSource {
  const heap = packedRuns.map(cursorAt).filter((cursor) => cursor.name !== "");
  for (let i = (heap.length >> 1) - 1; i >= 0; i--) siftDown(heap, i);
  return {
    next: () => {
      const top = heap[0];
      if (top === undefined) return undefined;
      const { name } = top;
      advance(top);
      if (top.name === "") {
        const last = heap.pop();
        if (heap.length > 0 && last !== undefined) heap[0] = last;
      }
      siftDown(heap, 0);
      return asByteString(name);
    },
  };
}

interface RunCursor {
  readonly packed: string;
  /** Where the name after `name` starts. */
  offset: number;
  /** Empty at the end of the run; no file has an empty name. */
  name: string;
}

function cursorAt(packed: string): RunCursor {
  const cursor: RunCursor = { packed, offset: 0, name: "" };
  advance(cursor);
  return cursor;
}

function advance(cursor: RunCursor): void {
  const end = cursor.packed.indexOf("/", cursor.offset);
  cursor.name = end < 0 ? "" : cursor.packed.slice(cursor.offset, end);
  cursor.offset = end + 1;
}

function siftDown(heap: RunCursor[], start: number): void {
  let parent = start;
  for (;;) {
    let smallest = parent;
    for (const child of [2 * parent + 1, 2 * parent + 2]) {
      const [candidate, best] = [heap[child], heap[smallest]];
      if (candidate !== undefined && best !== undefined && candidate.name < best.name) smallest = child;
    }
    const [from, to] = [heap[parent], heap[smallest]];
    if (smallest === parent || from === undefined || to === undefined) return;
    heap[parent] = to;
    heap[smallest] = from;
    parent = smallest;
  }
}
