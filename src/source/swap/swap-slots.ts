/**
 * Which names are to be swapped one by one where a folder cannot be, or must not
 * be, swapped as a whole: a mount point, one that holds something that stays, or
 * one of which only a part is restored.
 *
 * @module
 */

import { lstatSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { posix } from "node:path";
import {
  asByteString,
  type ByteString,
  byteStringToDisplay,
  byteStringToPath,
} from "../../domain/byte-string.ts";
import { BackupError } from "../../domain/error.ts";
import { isSqliteHeader, magicBytes } from "../../format/sqlite/header.ts";
import { absolutePath, joinEntryPath } from "../tree/entry-path.ts";
import { shortPath, withShortPath } from "../tree/short-path.ts";
import { readFileHead } from "../folder/file-head.ts";
import { isInside, type SwapSlot } from "./restore-journal.ts";
import { withSidecars } from "../sidecar-names.ts";
import { isRestoreLeftover } from "./staging-names.ts";

export interface SlotRules {
  /** Absolute path of the folder as it is. */
  readonly place: ByteString;
  /** Absolute path of what was built for it. */
  readonly staged: ByteString;
  /** Do names go that were not built? If not, only what was built replaces something. */
  readonly replace: boolean;
  /** Absolute paths below `place` that stay as they are. */
  readonly keep: readonly ByteString[];
  /** Absolute paths below `place` that are databases. */
  readonly databases: ReadonlySet<ByteString>;
}

/** The journal is one document; a million names are about 60 MB of it. */
const slotsMax = 1_000_000;

type Kind = "directory" | "other";

/**
 * Compares the two folders' names and returns what is to be swapped, deepest folders as a
 * whole wherever that is possible.
 *
 * @throws {BackupError} `unsafe` where a folder stands in the way of a file or the other way
 *   round, or a link in the way of a folder, and only a part is restored
 */
export async function planSlots(rules: SlotRules, signal: AbortSignal): Promise<readonly SwapSlot[]> {
  const slots: SwapSlot[] = [];
  const folders: ByteString[] = [asByteString("")];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    signal.throwIfAborted();
    const current = await kindsIn(absolutePath(rules.place, folder));
    const built = await kindsIn(absolutePath(rules.staged, folder));
    const names = rules.replace ? new Set([...current.keys(), ...built.keys()]) : built.keys();
    for (const name of names) {
      const path = joinEntryPath(folder, name);
      const answer = decide(rules, path, current.get(name), built.get(name));
      if (answer === "descend") folders.push(path);
      else if (answer !== "keep")
        slots.push({ ...answer, database: answer.database || meetsSidecar(rules, answer, current) });
    }
    if (slots.length > slotsMax) throw tooMany(rules);
  }
  return slots;
}

function decide(
  rules: SlotRules,
  path: ByteString,
  current: Kind | undefined,
  built: Kind | undefined,
): SwapSlot | "descend" | "keep" {
  const absolute = absolutePath(rules.place, path);
  if (rules.keep.includes(absolute)) return "keep";
  const holdsKept = rules.keep.some((kept) => isInside(kept, absolute));
  if (holdsKept && current === "directory" && built !== "other") return "descend";
  if (!rules.replace && current === "directory" && built === "directory") return "descend";
  if (holdsKept || (!rules.replace && current !== undefined && current !== built)) throw inTheWay(absolute);
  return { name: path, arrives: built !== undefined, database: rules.databases.has(absolute) };
}

/**
 * I4: a database among the files of a folder meets no `-wal` that lies beside the one it
 * replaces. What was built is private, so a look at its first bytes harms nobody's locks.
 */
function meetsSidecar(
  { staged, replace }: SlotRules,
  { name, arrives }: SwapSlot,
  current: ReadonlyMap<ByteString, Kind>,
): boolean {
  // Where everything is replaced, sidecars go like all that was not built.
  if (replace || !arrives) return false;
  const own = asByteString(posix.basename(name));
  const sidecars = withSidecars(own).slice(1);
  if (!sidecars.some((sidecar) => current.has(sidecar))) return false;
  using short = shortPath(absolutePath(staged, name));
  const { ino } = lstatSync(byteStringToPath(short.path), { bigint: true });
  const head = readFileHead(short.path, ino, Buffer.alloc(magicBytes), new Map());
  return head !== undefined && isSqliteHeader(head.bytes);
}

/** Names in a directory, but for those of restores; none where there is no directory. */
async function kindsIn(directory: ByteString): Promise<ReadonlyMap<ByteString, Kind>> {
  const kinds = new Map<ByteString, Kind>();
  const entries = await withShortPath(directory, (path) =>
    readdir(path, { withFileTypes: true, encoding: "buffer" }),
  ).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT" && error.code !== "ENOTDIR") throw error;
    return [];
  });
  for (const entry of entries) {
    const name = asByteString(entry.name.toString("latin1"));
    if (!isRestoreLeftover(name)) kinds.set(name, entry.isDirectory() ? "directory" : "other");
  }
  return kinds;
}

function inTheWay(path: ByteString): BackupError {
  return new BackupError(
    "unsafe",
    `Cannot restore ${byteStringToDisplay(path)}: something of another kind is in its place`,
    { hint: "Restore into another folder with --target, then put it in place by hand." },
  );
}

function tooMany(rules: SlotRules): BackupError {
  return new BackupError(
    "unsupported",
    `Cannot restore ${byteStringToDisplay(rules.place)}: more than ${slotsMax} names have to be swapped one by one`,
    { hint: "Restore into another folder with --target, then put it in place by hand." },
  );
}
