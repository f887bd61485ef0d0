/**
 * Refuses a restore that the file system would refuse half way: what it moves must
 * be this user's to move. Root never meets this. What was overlooked is at least
 * explained.
 *
 * @module
 */

import { constants, lstatSync, type Stats } from "node:fs";
import { access } from "node:fs/promises";
import { posix } from "node:path";
import { type ByteString, byteStringToDisplay, byteStringToPath } from "../../domain/byte-string.ts";
import { BackupError, errorText } from "../../domain/error.ts";
import { withSidecars } from "../../source/sidecar-names.ts";
import { foldersAround } from "../../source/swap/lent-folders.ts";
import type { LiveTarget, SwapArea, SwapSlot } from "../../source/swap/restore-journal.ts";
import { absolutePath, parentEntryPath } from "../../source/tree/entry-path.ts";
import { shortPath, withShortPath } from "../../source/tree/short-path.ts";

/** S_ISVTX of inode(7): in such a folder only the owner of a name, or of the folder, may move it. */
const stickyBit = 0o1000;

interface PlannedSwap {
  /** Those without slots are still without what depends on what is built. */
  readonly areas: readonly SwapArea[];
  readonly live: readonly LiveTarget[];
}

/**
 * Looks at every folder and name that the swap will change. Folders of this user that it may not write to
 * are no obstacle: the swap lends them the right.
 *
 * @throws {BackupError} `unsafe`, by name; the system's error where this user may not even look
 */
export async function refuseForbidden({ areas, live }: PlannedSwap): Promise<void> {
  const containers = [
    ...areas.map(({ container }) => container),
    ...live.map(({ imagePath }) => posix.dirname(imagePath) as ByteString),
  ];
  for (const home of new Set(containers.map((container) => posix.dirname(container) as ByteString))) {
    // Reading it is what syncing takes.
    const refusal = await refusalOf(home, constants.R_OK | constants.W_OK | constants.X_OK);
    if (refusal !== undefined) throw cannotBuildIn(home, refusal);
  }
  const uid = process.geteuid?.() ?? 0;
  if (uid === 0) return;
  for (const area of areas) await refuseArea(area, uid);
}

async function refuseArea({ place, staging, slots }: SwapArea, uid: number): Promise<void> {
  const folders = new Map<ByteString, Stats>();
  for (const name of foldersAround(slots)) {
    const path = absolutePath(place, name);
    const stats = statsOf(path);
    if (stats === undefined) continue;
    if (stats.uid !== uid && (await refusalOf(path, constants.W_OK | constants.X_OK)) !== undefined) {
      throw othersFolder(path, stats);
    }
    folders.set(name, stats);
  }
  for (const slot of slots) {
    const around = folders.get(parentEntryPath(slot.name));
    if (around !== undefined) await refuseSlot(place, slot, around, uid);
    // Not to find out in the middle of the swap that there is no getting at it.
    statsOf(absolutePath(staging, slot.name));
  }
}

async function refuseSlot(
  place: ByteString,
  slot: SwapSlot,
  around: Pick<Stats, "mode" | "uid">,
  uid: number,
): Promise<void> {
  for (const name of slot.database ? withSidecars(slot.name) : [slot.name]) {
    const path = absolutePath(place, name);
    const stats = statsOf(path);
    if (stats === undefined || stats.uid === uid) continue;
    if ((around.mode & stickyBit) !== 0 && around.uid !== uid) throw othersName(path, stats);
    // A folder that moves is written to: its `..` changes.
    if (stats.isDirectory() && (await refusalOf(path, constants.W_OK)) !== undefined)
      throw othersFolder(path, stats);
  }
}

function statsOf(path: ByteString): Stats | undefined {
  using short = shortPath(path);
  return lstatSync(byteStringToPath(short.path), { throwIfNoEntry: false });
}

async function refusalOf(path: ByteString, mode: number): Promise<unknown> {
  try {
    await withShortPath(path, (short) => access(short, mode));
    return undefined;
  } catch (error) {
    if (isRefusal(error)) return error;
    throw error;
  }
}

const refusalCodes: ReadonlySet<string | undefined> = new Set(["EACCES", "EPERM", "EROFS"]);

function isRefusal(error: unknown): boolean {
  return refusalCodes.has((error as NodeJS.ErrnoException | undefined)?.code);
}

/** @param folder Where a target lies */
export function cannotBuildIn(folder: ByteString, cause: unknown): BackupError {
  const { code = "" } = cause as NodeJS.ErrnoException;
  const isReadOnly = code === "EROFS";
  const forbidden = isRefusal(cause) ? "this user may not write there" : errorText(cause);
  const remedy = isReadOnly ? "mount it so that it can be written to" : "run as a user who may write there";
  return new BackupError(
    code === "ENOSPC" ? "no-space" : "unsafe",
    `Cannot build a restore in ${byteStringToDisplay(folder)}: ${isReadOnly ? "the file system is read-only" : forbidden}`,
    {
      cause,
      hint: `What is restored is built beside what it replaces: ${remedy}, or restore elsewhere with --target.`,
    },
  );
}

const ownerHint = "Nothing was changed. Restore as its owner or as root, or restore elsewhere with --target.";

function othersFolder(path: ByteString, { uid }: Stats): BackupError {
  const message = `Cannot restore to ${byteStringToDisplay(path)}: the folder belongs to another user (uid ${uid}), and this one may not write to it`;
  return new BackupError("unsafe", message, { hint: ownerHint });
}

function othersName(path: ByteString, { uid }: Stats): BackupError {
  const message = `Cannot restore to ${byteStringToDisplay(path)}: it belongs to another user (uid ${uid}), and lies in a folder in which only its owner may move it`;
  return new BackupError("unsafe", message, { hint: ownerHint });
}

/** Does a part of a restore; what the system refused there is a state of the machine, not a defect of ours. */
export async function explainingRefusals<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof BackupError || !isRefusal(error) ? error : refused(error);
  }
}

function refused(cause: unknown): BackupError {
  return new BackupError("storage-unavailable", `Cannot restore: ${errorText(cause)}`, {
    cause,
    hint: "Restore as the user who owns what is replaced or as root, or restore elsewhere with --target.",
  });
}
