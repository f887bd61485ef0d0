/**
 * Folders that the user of a restore owns but may not write to. A rename changes
 * the folder a name is in, and of a folder that moves also its `..`, so such
 * folders are made writable for the swap. Which ones, and what mode they had, is in
 * the journal before the first is touched, so that each gets its mode back however
 * often the swap is interrupted, wherever it then is (I4).
 *
 * @module
 */

import { asByteString, type ByteString } from "../../domain/byte-string.ts";
import { absolutePath, parentEntryPath } from "../tree/entry-path.ts";
import type { LentFolder, RestoreJournal, SwapArea, SwapSlot } from "./restore-journal.ts";
import { ownerBits, type SwapDisk } from "./swap-disk.ts";

/** Refused to who does not own the folder, or by a file system without modes: the rename itself tells whether it matters. */
export const modeRefusals: ReadonlySet<string | undefined> = new Set([
  "EPERM",
  "EACCES",
  "EROFS",
  "ENOTSUP",
  "EINVAL",
]);

/** The folders in an area that names leave or come into, `place` itself as "" included. */
export function foldersAround(slots: readonly SwapSlot[]): ReadonlySet<ByteString> {
  const folders = new Set([asByteString("")]);
  for (const { name } of slots) {
    for (let folder = parentEntryPath(name); !folders.has(folder); folder = parentEntryPath(folder)) {
      folders.add(folder);
    }
  }
  return folders;
}

/** Notes the modes of all folders that have to be lent, of a journal by which nothing was moved yet. */
export async function noteLent(journal: RestoreJournal, disk: SwapDisk): Promise<RestoreJournal> {
  const areas: SwapArea[] = [];
  for (const area of journal.areas) {
    const lent = [...(await lentIn(area, "old", disk)), ...(await lentIn(area, "new", disk))];
    areas.push(lent.length === 0 ? area : { ...area, lent });
  }
  return { ...journal, areas };
}

async function lentIn(
  area: SwapArea,
  side: LentFolder["side"],
  disk: SwapDisk,
): Promise<readonly LentFolder[]> {
  const lent: LentFolder[] = [];
  for (const name of new Set([...foldersAround(area.slots), ...slotNames(area)])) {
    const mode = await disk.modeOf(absolutePath(side === "old" ? area.place : area.staging, name));
    if (mode !== undefined && (mode & ownerBits) !== ownerBits) lent.push({ name, side, mode });
  }
  return lent;
}

/** Makes the noted folders writable, wherever they are by now. What is refused is passed over. */
export async function lendFolders(journal: RestoreJournal, disk: SwapDisk): Promise<void> {
  for (const [area, folder] of outermostFirst(journal)) {
    const path = await whereIs(area, folder, disk);
    const mode = await disk.modeOf(path);
    if (mode === undefined || (mode & ownerBits) === ownerBits) continue;
    await disk.setMode(path, mode | ownerBits).catch((error: NodeJS.ErrnoException) => {
      if (!modeRefusals.has(error.code)) throw error;
    });
  }
}

/** Gives the noted folders their modes back, durably. */
export async function takeFoldersBack(journal: RestoreJournal, disk: SwapDisk): Promise<void> {
  // What lies deepest first: without its mode of now, a folder may not let anybody in.
  for (const [area, folder] of outermostFirst(journal).toReversed()) {
    const path = await whereIs(area, folder, disk);
    const mode = await disk.modeOf(path);
    if (mode !== undefined && mode !== folder.mode) await disk.setMode(path, folder.mode);
  }
}

function outermostFirst({ areas }: RestoreJournal): readonly (readonly [SwapArea, LentFolder])[] {
  const folders = areas.flatMap((area) => (area.lent ?? []).map((folder) => [area, folder] as const));
  return folders.toSorted(([a, one], [b, other]) => depthOf(a, one) - depthOf(b, other));
}

function depthOf({ place, staging }: SwapArea, { side, name }: LentFolder): number {
  return absolutePath(side === "old" ? place : staging, name).length;
}

/** What moves is in its first or in its last place; what things move out of and into stays. */
async function whereIs(area: SwapArea, { name, side }: LentFolder, disk: SwapDisk): Promise<ByteString> {
  const [here, away] = side === "old" ? [area.place, area.previous] : [area.staging, area.place];
  const moves = slotNames(area).has(name);
  if (!moves) return absolutePath(here, name);
  const [first, second] = side === "old" ? [away, here] : [here, away];
  const path = absolutePath(first, name);
  return (await disk.exists(path)) ? path : absolutePath(second, name);
}

const namesOfAreas = new WeakMap<SwapArea, ReadonlySet<ByteString>>();

function slotNames(area: SwapArea): ReadonlySet<ByteString> {
  const known = namesOfAreas.get(area);
  if (known !== undefined) return known;
  const names = new Set(area.slots.map(({ name }) => name));
  namesOfAreas.set(area, names);
  return names;
}
