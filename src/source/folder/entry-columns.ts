/**
 * A batch of entries as columns, to cross from the thread that walks to the one
 * that stores: a few arrays cross in microseconds where hundreds of objects take
 * longer than it took to look at the files.
 *
 * @module
 */

import type { ByteString } from "../../domain/byte-string.ts";
import type { Entry, EntryKind } from "../../domain/entry.ts";

/** Row i of every column is entry i. */
export interface EntryColumns {
  /** Joined by NUL, which no path holds. */
  readonly paths: string;
  /** Mode, owner, group, size, number of names, kind; six numbers a row. */
  readonly numbers: Float64Array;
  /** Times of change of content and of inode, inode, device; four numbers a row. */
  readonly wide: BigInt64Array;
  /** Targets of links and first names of files with several, by row. */
  readonly targets: readonly (readonly [row: number, text: string])[];
  /** Times of change that 64 bits do not hold (1677 to 2262), by row; some file systems do. */
  readonly farTimes: readonly (readonly [row: number, mtimeNs: bigint])[];
}

const numbersPerRow = 6;
const widePerRow = 4;
const int64Max = 2n ** 63n - 1n;
const int64Min = -(2n ** 63n);

/** The last is a file that is a further name of an earlier one. */
const kinds: readonly EntryKind[] = ["file", "directory", "symlink", "file"];
const hardLinkKind = 3;

/** Packs entries of one root as a walk describes them. What is pushed is not held, so that it need not survive a collection. */
export class EntryPacker {
  readonly #paths: string[] = [];
  readonly #numbers: Float64Array;
  readonly #wide: BigInt64Array;
  readonly #targets: [number, string][] = [];
  readonly #farTimes: [number, bigint][] = [];

  /** @param entriesMax More may not be pushed */
  constructor(entriesMax: number) {
    this.#numbers = new Float64Array(entriesMax * numbersPerRow);
    this.#wide = new BigInt64Array(entriesMax * widePerRow);
  }

  get length(): number {
    return this.#paths.length;
  }

  push(entry: Entry): void {
    const row = this.#paths.push(entry.path) - 1;
    const target = entry.linkTarget ?? entry.hardLinkTo;
    if (target !== undefined) this.#targets.push([row, target]);
    const numbers = this.#numbers;
    const at = row * numbersPerRow;
    numbers[at] = entry.mode;
    numbers[at + 1] = entry.uid;
    numbers[at + 2] = entry.gid;
    numbers[at + 3] = entry.sizeBytes;
    numbers[at + 4] = entry.links ?? 0;
    numbers[at + 5] = entry.hardLinkTo === undefined ? kinds.indexOf(entry.kind) : hardLinkKind;
    const wide = this.#wide;
    const wideAt = row * widePerRow;
    const { mtimeNs } = entry;
    wide[wideAt] = mtimeNs;
    if (mtimeNs > int64Max || mtimeNs < int64Min) this.#farTimes.push([row, mtimeNs]);
    wide[wideAt + 1] = entry.ctimeNs;
    wide[wideAt + 2] = entry.inode;
    wide[wideAt + 3] = entry.deviceId ?? 0n;
  }

  pack(): EntryColumns {
    return {
      paths: this.#paths.join("\0"),
      numbers: this.#numbers.slice(0, this.length * numbersPerRow),
      wide: this.#wide.slice(0, this.length * widePerRow),
      targets: this.#targets,
      farTimes: this.#farTimes,
    };
  }
}

/**
 * The entries of a batch again.
 *
 * @param root Name of their root
 * @param directory Its absolute path, which the files' own paths begin with
 */
export function unpackEntries(columns: EntryColumns, root: string, directory: ByteString): Entry[] {
  const targets = new Map(columns.targets);
  const base = directory === "/" ? "" : directory;
  const entries: Entry[] = [];
  let row = 0;
  for (const text of columns.paths.split("\0")) {
    const path = text as ByteString;
    const kind = columns.numbers[row * numbersPerRow + 5] ?? 0;
    const target = targets.size === 0 ? undefined : (targets.get(row) as ByteString | undefined);
    if (kind === 0 && target === undefined) {
      entries.push(fileAt(columns, row, root, path, `${base}/${path}` as ByteString));
    } else entries.push(bareEntryAt(columns, row, { root, path, kind, target }));
    row++;
  }
  for (const [far, mtimeNs] of columns.farTimes) entries[far] = { ...entries[far]!, mtimeNs };
  return entries;
}

/** The most frequent kind by far, so it is made in one go. */
function fileAt(
  { numbers, wide }: EntryColumns,
  row: number,
  root: string,
  path: ByteString,
  absolute: ByteString,
): Entry {
  const at = row * numbersPerRow;
  const wideAt = row * widePerRow;
  return {
    root,
    path,
    kind: "file",
    mode: numbers[at] as number,
    uid: numbers[at + 1] as number,
    gid: numbers[at + 2] as number,
    mtimeNs: wide[wideAt] as bigint,
    ctimeNs: wide[wideAt + 1] as bigint,
    inode: BigInt.asUintN(64, wide[wideAt + 2] as bigint),
    deviceId: BigInt.asUintN(64, wide[wideAt + 3] as bigint),
    links: numbers[at + 4] as number,
    sizeBytes: numbers[at + 3] as number,
    content: { from: "path", path: absolute },
  };
}

interface BareRow {
  readonly root: string;
  readonly path: ByteString;
  readonly kind: number;
  readonly target: ByteString | undefined;
}

function bareEntryAt(columns: EntryColumns, row: number, { root, path, kind, target }: BareRow): Entry {
  const { content: _, ...attributes } = fileAt(columns, row, root, path, path);
  const entry = { ...attributes, kind: kinds[kind] as EntryKind };
  if (target === undefined) return entry;
  return kind === hardLinkKind ? { ...entry, hardLinkTo: target } : { ...entry, linkTarget: target };
}
