/**
 * The swap: moves the old state of all targets aside and the new one in, under a
 * restore journal (I4). Every step looks at what is there before it acts, so a
 * swap that was interrupted anywhere is finished, or taken back, by doing it
 * again. Nothing is ever overwritten.
 *
 * First all of the old goes aside, then that is made durable and written down,
 * then all of the new comes in. With the two apart, what is on the disk says by
 * itself which moves are still to be made, and each move is one rename.
 *
 * @module
 */

import { posix } from "node:path";
import { asByteString, type ByteString, byteStringToDisplay } from "../../domain/byte-string.ts";
import { BackupError } from "../../domain/error.ts";
import { lendFolders, noteLent, takeFoldersBack } from "./lent-folders.ts";
import { giveAttributes } from "./place-attributes.ts";
import type { JournalState, RestoreJournal, SwapArea, SwapSlot } from "./restore-journal.ts";
import { withSidecars } from "../sidecar-names.ts";
import type { SwapDisk } from "./swap-disk.ts";

/** Writes the journal durably in its new state, and returns it. */
export type StateWriter = (journal: RestoreJournal, state: JournalState) => Promise<RestoreJournal>;

/**
 * Takes a journal that is `staged`, `clearing` or `filling` to `done`. Call it again after
 * a crash, any number of times. Cannot be cancelled: half way is no place to stop.
 */
export async function swapIn(
  journal: RestoreJournal,
  disk: SwapDisk,
  writeState: StateWriter,
): Promise<RestoreJournal> {
  await requireStaging(journal, disk);
  let current = journal;
  if (current.state !== "clearing" && current.state !== "filling") {
    current = await writeState(await noteLent(current, disk), "clearing");
  }
  await lendFolders(current, disk);
  if (current.state === "clearing") {
    await clear(current, disk);
    // I4: all of the old is aside, durably, before anything may take its place.
    current = await writeState(current, "filling");
  }
  await fill(current, disk);
  return writeState(current, "done");
}

/** Moves everything back as it was, from `clearing`, `filling` or `reverting`. The journal stays `reverting`. */
export async function swapBack(
  journal: RestoreJournal,
  disk: SwapDisk,
  writeState: StateWriter,
): Promise<RestoreJournal> {
  await requireStaging(journal, disk);
  const current = journal.state === "reverting" ? journal : await writeState(journal, "reverting");
  await lendFolders(current, disk);
  const touched = new Set<ByteString>();
  for (const area of current.areas) {
    for (const slot of area.slots) {
      if (slot.arrives) await takeBack(area, slot, disk, touched);
    }
  }
  for (const area of current.areas) {
    for (const slot of area.slots) await bringBack(area, slot, disk, touched);
  }
  // With the mode it gets next, a folder may not be open to a sync any more.
  await disk.syncDirectories(touched);
  await takeFoldersBack(current, disk);
  await giveAttributes(current, "before", disk);
  return current;
}

/** The database goes last: once it is back in staging, sidecars beside the target are those of the old one. */
async function takeBack(
  area: SwapArea,
  slot: SwapSlot,
  disk: SwapDisk,
  touched: Set<ByteString>,
): Promise<void> {
  if (await disk.exists(within(area.staging, slot.name))) return;
  for (const name of namesOf(slot).toReversed()) {
    await moveIfFree(within(area.place, name), within(area.staging, name), disk, touched);
  }
}

/**
 * What is absent counts as moved already. On a disk that is not mounted everything is
 * absent, so the folder that stays until the very end has to be there.
 */
async function requireStaging(journal: RestoreJournal, disk: SwapDisk): Promise<void> {
  for (const { container, slots } of journal.areas) {
    if (!slots.some((slot) => slot.arrives) || (await disk.exists(container))) continue;
    throw new BackupError(
      "storage-unavailable",
      `Cannot go on with restore ${journal.id}: ${byteStringToDisplay(container)} is not there`,
      { hint: "Check that its disk is mounted, then run any command to finish the restore." },
    );
  }
}

/** Moves the old aside. A name that is absent has gone already, or never was. */
async function clear(journal: RestoreJournal, disk: SwapDisk): Promise<void> {
  const touched = new Set<ByteString>();
  for (const area of journal.areas) {
    touched.add(parentOf(area.previous));
    for (const slot of area.slots) await setAside(area, slot, disk, touched);
  }
  await disk.syncDirectories(touched);
}

/** Moves the new in. */
async function fill(journal: RestoreJournal, disk: SwapDisk): Promise<void> {
  const touched = new Set<ByteString>();
  for (const area of journal.areas) {
    for (const slot of area.slots) {
      if (slot.arrives) await moveIn(area, slot, disk, touched);
    }
  }
  await disk.syncDirectories(touched);
  await takeFoldersBack(journal, disk);
}

/** A name that is no longer in staging has arrived already, but maybe without the sidecars that belong to it. */
async function moveIn(
  area: SwapArea,
  slot: SwapSlot,
  disk: SwapDisk,
  touched: Set<ByteString>,
): Promise<void> {
  const waiting = await disk.exists(within(area.staging, slot.name));
  // Between a crash and its recovery an app may have made the file, or a -wal, anew: neither may meet the restored one.
  if (waiting) await setAside(area, slot, disk, touched);
  if (waiting || slot.database) await moveSlot(area.staging, area.place, slot, disk, touched);
}

/** The database itself goes first: without it nobody opens its journal, and with a journal gone it would be read torn. */
async function setAside(
  area: SwapArea,
  slot: SwapSlot,
  disk: SwapDisk,
  touched: Set<ByteString>,
): Promise<void> {
  const aside = await nameAside(area, slot, disk);
  for (const name of namesOf(slot)) {
    const from = within(area.place, name);
    if (!(await disk.exists(from))) continue;
    const to = await freeName(asByteString(aside + name.slice(slot.name.length)), disk);
    await move(from, to, disk, touched);
  }
}

/**
 * What is there now is called like what went aside before, with `.late-1` and so on where
 * something was made anew. I4: its sidecars are called like it, so that no undo lets a
 * `-wal` meet another database. Sidecars alone belong to what went last.
 */
async function nameAside(area: SwapArea, slot: SwapSlot, disk: SwapDisk): Promise<ByteString> {
  const wanted = within(area.previous, slot.name);
  let [last, name] = [wanted, wanted];
  for (let n = 1; await disk.exists(name); n++) [last, name] = [name, asByteString(`${wanted}.late-${n}`)];
  return (await disk.exists(within(area.place, slot.name))) ? name : last;
}

/** What an app has made in the place of the old meanwhile goes aside: neither it nor its sidecars may stay in the way. */
async function bringBack(
  area: SwapArea,
  slot: SwapSlot,
  disk: SwapDisk,
  touched: Set<ByteString>,
): Promise<void> {
  const [old, made] = [within(area.previous, slot.name), within(area.place, slot.name)];
  if ((await disk.exists(old)) && (await disk.exists(made))) await setAside(area, slot, disk, touched);
  await moveSlot(area.previous, area.place, slot, disk, touched);
}

/** Moves what is in `from` and not yet in `to`. */
async function moveSlot(
  from: ByteString,
  to: ByteString,
  slot: SwapSlot,
  disk: SwapDisk,
  touched: Set<ByteString>,
): Promise<void> {
  for (const name of namesOf(slot)) {
    await moveIfFree(within(from, name), within(to, name), disk, touched);
  }
}

async function moveIfFree(
  from: ByteString,
  to: ByteString,
  disk: SwapDisk,
  touched: Set<ByteString>,
): Promise<void> {
  if (!(await disk.exists(from)) || (await disk.exists(to))) return;
  await move(from, to, disk, touched);
}

async function move(
  from: ByteString,
  to: ByteString,
  disk: SwapDisk,
  touched: Set<ByteString>,
): Promise<void> {
  const target = parentOf(to);
  if (!touched.has(target)) await makeNoted(target, disk, touched);
  await disk.rename(from, to);
  touched.add(parentOf(from));
}

/** Makes a directory, and notes it and those made above it, because each of their names has to be synced. */
async function makeNoted(directory: ByteString, disk: SwapDisk, touched: Set<ByteString>): Promise<void> {
  if (await disk.exists(directory)) {
    touched.add(directory);
    return;
  }
  await makeNoted(parentOf(directory), disk, touched);
  await disk.makeDirectory(directory);
  touched.add(directory);
}

/** A name that is taken was made again after its first holder went aside: both are kept. */
async function freeName(wanted: ByteString, disk: SwapDisk): Promise<ByteString> {
  let name = wanted;
  for (let n = 1; await disk.exists(name); n++) name = asByteString(`${wanted}.late-${n}`);
  return name;
}

function namesOf({ name, database }: SwapSlot): readonly ByteString[] {
  return database ? withSidecars(name) : [name];
}

function within(directory: ByteString, name: ByteString): ByteString {
  return asByteString(directory === "/" ? `/${name}` : `${directory}/${name}`);
}

function parentOf(path: ByteString): ByteString {
  return asByteString(posix.dirname(path));
}
