/**
 * What an open file said of itself, packed into numbers so that many cross
 * threads cheaply.
 *
 * @module
 */

import type { BigIntStats } from "node:fs";

/** Words of one file. */
export const factWords = 10;

export interface FileFacts {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  readonly inode: bigint;
  readonly deviceId: bigint;
  readonly links: number;
  readonly sizeBytes: number;
}

/** Writes the facts of file number `index`. */
export function packFacts(target: BigInt64Array, index: number, stats: BigIntStats): void {
  const at = index * factWords;
  target[at] = stats.mode & 0o7777n;
  target[at + 1] = stats.uid;
  target[at + 2] = stats.gid;
  target[at + 3] = stats.mtimeNs;
  target[at + 4] = stats.ctimeNs;
  target[at + 5] = stats.ino;
  target[at + 6] = stats.dev;
  target[at + 7] = stats.nlink;
  target[at + 8] = stats.size;
  // A time after 2262 takes more than one word; some file systems hold it.
  target[at + 9] = stats.mtimeNs >> 64n;
}

export function unpackFacts(source: BigInt64Array, index: number): FileFacts {
  const at = index * factWords;
  return {
    mode: Number(source[at]),
    uid: Number(source[at + 1]),
    gid: Number(source[at + 2]),
    mtimeNs: (source[at + 9]! << 64n) | BigInt.asUintN(64, source[at + 3]!),
    ctimeNs: source[at + 4]!,
    // Both are unsigned where they come from.
    inode: BigInt.asUintN(64, source[at + 5]!),
    deviceId: BigInt.asUintN(64, source[at + 6]!),
    links: Number(source[at + 7]),
    sizeBytes: Number(source[at + 8]),
  };
}

/** Do these describe one and the same unchanged file? */
export function isSameFile(a: FileFacts, b: FileFacts): boolean {
  const isOne = a.inode === b.inode && a.deviceId === b.deviceId;
  return isOne && a.sizeBytes === b.sizeBytes && a.mtimeNs === b.mtimeNs && a.ctimeNs === b.ctimeNs;
}
