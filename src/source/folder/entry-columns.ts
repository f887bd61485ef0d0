/**
 * A batch of entries as columns, to cross from the thread that walks to the one
 * that stores: a few arrays cross in microseconds where hundreds of objects take
 * longer than it took to look at the files.
 *
 * @module
 */

import type { ByteString } from "../../domain/byte-string.ts";
import type { Entry, EntryAttributes, EntryKind } from "../../domain/entry.ts";

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
}

const numbersPerRow = 6;
const widePerRow = 4;

/** The last is a file that is a further name of an earlier one. */
const kinds: readonly EntryKind[] = ["file", "directory", "symlink", "file"];
const hardLinkKind = 3;

/** Packs entries that a walk described. Entries of one batch have one root. */
export function packEntries(entries: readonly Entry[]): EntryColumns {
  const numbers = new Float64Array(entries.length * numbersPerRow);
  const wide = new BigInt64Array(entries.length * widePerRow);
  const targets: [number, string][] = [];
  for (const [row, entry] of entries.entries()) {
    const { mode, uid, gid, sizeBytes, links = 0, deviceId = 0n } = entry;
    const target = entry.linkTarget ?? entry.hardLinkTo;
    if (target !== undefined) targets.push([row, target]);
    const kind = entry.hardLinkTo === undefined ? kinds.indexOf(entry.kind) : hardLinkKind;
    numbers.set([mode, uid, gid, sizeBytes, links, kind], row * numbersPerRow);
    wide.set([entry.mtimeNs, entry.ctimeNs, entry.inode, deviceId], row * widePerRow);
  }
  return { paths: entries.map(({ path }) => path).join("\0"), numbers, wide, targets };
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
  return columns.paths.split("\0").map((path, row): Entry => {
    const attributes = attributesAt(columns, row, root, path as ByteString);
    const kind = columns.numbers[row * numbersPerRow + 5];
    const target = targets.get(row) as ByteString | undefined;
    if (kind === hardLinkKind && target !== undefined) return { ...attributes, hardLinkTo: target };
    if (target !== undefined) return { ...attributes, linkTarget: target };
    if (kind !== 0) return attributes;
    return { ...attributes, content: { from: "path", path: `${base}/${path}` as ByteString } };
  });
}

function attributesAt(
  { numbers, wide }: EntryColumns,
  row: number,
  root: string,
  path: ByteString,
): EntryAttributes & Pick<Entry, "root" | "path" | "deviceId" | "links"> {
  const at = row * numbersPerRow;
  const wideAt = row * widePerRow;
  return {
    root,
    path,
    kind: kinds[numbers[at + 5] as number] as EntryKind,
    mode: numbers[at] as number,
    uid: numbers[at + 1] as number,
    gid: numbers[at + 2] as number,
    mtimeNs: wide[wideAt] as bigint,
    ctimeNs: wide[wideAt + 1] as bigint,
    inode: BigInt.asUintN(64, wide[wideAt + 2] as bigint),
    sizeBytes: numbers[at + 3] as number,
    deviceId: BigInt.asUintN(64, wide[wideAt + 3] as bigint),
    links: numbers[at + 4] as number,
  };
}
