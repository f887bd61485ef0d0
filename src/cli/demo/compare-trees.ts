/**
 * Compares two folders in full: names, kinds, permission bits, times, targets of
 * links and every byte of every file. Knows nothing of backups, so that the demo
 * does not check the program with itself.
 *
 * @module
 */

import { lstat, open, readdir, readlink } from "node:fs/promises";
import { join } from "node:path";

const readAtOnceBytes = 1024 * 1024;

export interface TreeComparison {
  readonly files: number;
  readonly bytes: number;
  /** One line for each difference. */
  readonly differences: readonly string[];
}

/** Compares `actual` with `expected`; paths in differences are relative. */
export async function compareTrees(
  expected: string,
  actual: string,
  signal: AbortSignal,
): Promise<TreeComparison> {
  const names = await pathsBelow(expected);
  const found = new Set(await pathsBelow(actual));
  const differences: string[] = [];
  const totals = { files: 0, bytes: 0 };
  for (const name of names) {
    signal.throwIfAborted();
    if (!found.delete(name)) {
      differences.push(`${name} is missing`);
      continue;
    }
    const difference = await compareEntry(join(expected, name), join(actual, name), totals);
    if (difference !== undefined) differences.push(`${name} ${difference}`);
  }
  return {
    ...totals,
    differences: [...differences, ...Array.from(found, (name) => `${name} is not expected`)],
  };
}

/** Not readdir's own recursion: that follows links to folders. */
async function pathsBelow(folder: string, below = ""): Promise<string[]> {
  const paths: string[] = [];
  for (const item of await readdir(join(folder, below), { withFileTypes: true })) {
    const path = join(below, item.name);
    paths.push(path, ...(item.isDirectory() ? await pathsBelow(folder, path) : []));
  }
  return paths.sort();
}

async function compareEntry(
  expected: string,
  actual: string,
  totals: { files: number; bytes: number },
): Promise<string | undefined> {
  const [a, b] = await Promise.all([lstat(expected), lstat(actual)]);
  if (a.mode !== b.mode) return "has another kind or mode";
  if (a.isSymbolicLink()) {
    return (await readlink(expected)) === (await readlink(actual)) ? undefined : "leads elsewhere";
  }
  // Archives keep microseconds.
  if (Math.abs(a.mtimeMs - b.mtimeMs) > 0.001) return "has another time";
  if (!a.isFile()) return undefined;
  totals.files++;
  totals.bytes += a.size;
  return a.size === b.size && (await sameBytes(expected, actual)) ? undefined : "has other bytes";
}

async function sameBytes(expected: string, actual: string): Promise<boolean> {
  await using a = await open(expected);
  await using b = await open(actual);
  const [left, right] = [Buffer.alloc(readAtOnceBytes), Buffer.alloc(readAtOnceBytes)];
  for (;;) {
    const [x, y] = await Promise.all([a.read(left, 0, readAtOnceBytes), b.read(right, 0, readAtOnceBytes)]);
    if (!left.subarray(0, x.bytesRead).equals(right.subarray(0, y.bytesRead))) return false;
    if (x.bytesRead === 0) return true;
  }
}
