/**
 * Guesses whether very many files lie in a folder, from a few folders near its top.
 *
 * @module
 */

import { type Dirent, lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { isLargeDirectory } from "./directory-names.ts";

/** Folders looked into at each level, and levels: at most 1 + 3 + 9 folders are read. */
const samples = 3;
const levels = 3;

/** Are there more than so many entries, as far as can be seen at once? Of what cannot be read, no. */
export function seemsToHoldMany(folder: string, entriesMin: number): boolean {
  try {
    return guess(folder, levels) >= entriesMin;
  } catch {
    return false;
  }
}

function guess(folder: string, levelsLeft: number): number {
  // Reading it would take longer than what the answer is for.
  if (isLargeDirectory(lstatSync(folder).size)) return Number.POSITIVE_INFINITY;
  const found = readdirSync(folder, { withFileTypes: true });
  const folders = found.filter((one) => one.isDirectory());
  if (levelsLeft === 1 || folders.length === 0) return found.length;
  const chosen = spread(folders);
  const sum = chosen.reduce((total, { name }) => total + guess(join(folder, name), levelsLeft - 1), 0);
  return found.length + (sum / chosen.length) * folders.length;
}

/** The first, the last, and those between. */
function spread(folders: readonly Dirent[]): readonly Dirent[] {
  const step = Math.max(1, (folders.length - 1) / (samples - 1));
  return folders.filter((_, i) => i === Math.round(Math.round(i / step) * step)).slice(0, samples);
}
