/**
 * Refuses a restore that would fill a disk, before it starts.
 *
 * @module
 */

import { statfs } from "node:fs/promises";
import { type ByteString, byteStringToDisplay, byteStringToPath } from "../../domain/byte-string.ts";
import { BackupError } from "../../domain/error.ts";
import { formatBytes } from "../../domain/units.ts";
import { deviceOf } from "../../source/mounts.ts";
import type { PreparedRestore } from "./prepare.ts";

/** Names, directories and rounding to blocks. */
const overheadBytes = 4 * 1024 * 1024;

/**
 * The previous state is kept by renaming it, so only what is built takes space. A file with
 * holes may take less than its size; no backup says how much less.
 *
 * @param warn Is told what would be refused; undefined to refuse it
 * @throws {BackupError} `no-space`
 */
export async function refuseIfTooLarge(
  prepared: PreparedRestore,
  warn: ((message: string) => void) | undefined,
): Promise<void> {
  const needed = new Map<bigint | undefined, { bytes: number; readonly path: ByteString }>();
  for (const { target, place, oneByOne } of prepared.layout.staged) {
    const home = oneByOne === undefined ? place.parent : place.path;
    const bytes =
      target.kind === "database"
        ? target.database.sizeBytes
        : (prepared.selection.bytesByRoot.get(target.name) ?? 0);
    const sum = needed.get(deviceOf(home));
    if (sum === undefined) needed.set(deviceOf(home), { bytes, path: home });
    else sum.bytes += bytes;
  }
  for (const { bytes, path } of needed.values()) {
    const shortage = await shortageOf(path, bytes + overheadBytes);
    if (shortage === undefined) continue;
    if (warn === undefined) throw tooLarge(path, shortage);
    warn(`${textOf(path, shortage)}: the restore is tried all the same`);
  }
}

interface Shortage {
  readonly free: number;
  readonly bytes: number;
}

async function shortageOf(path: ByteString, bytes: number): Promise<Shortage | undefined> {
  const { bavail, bsize } = await statfs(byteStringToPath(path));
  const free = bavail * bsize;
  // File systems that do not tell say 0 blocks of 0 bytes.
  return bytes <= free || bsize === 0 ? undefined : { free, bytes };
}

function textOf(path: ByteString, { free, bytes }: Shortage): string {
  return `${byteStringToDisplay(path)}: ${formatBytes(free)} are free, ${formatBytes(bytes)} are needed`;
}

function tooLarge(path: ByteString, shortage: Shortage): BackupError {
  return new BackupError("no-space", `Cannot restore to ${textOf(path, shortage)}`, {
    details: { free_bytes: shortage.free, needed_bytes: shortage.bytes },
    hint: "The new state is built beside the old one, which is kept: free some space, or discard the state an earlier restore kept. Where files with holes are restored, which take less, --no-space-check tries it.",
  });
}

/** Bytes a restore will write. */
export function bytesToWrite({ layout, selection }: PreparedRestore): number {
  return layout.staged.reduce(
    (sum, { target }) =>
      sum +
      (target.kind === "database"
        ? target.database.sizeBytes
        : (selection.bytesByRoot.get(target.name) ?? 0)),
    0,
  );
}
