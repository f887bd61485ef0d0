/**
 * Reads the first bytes of a file that may be anything: a pipe, a link somebody
 * put there a moment ago, or a database this very process has open.
 *
 * The last matters most. POSIX drops all of a process's locks on a file when the
 * process closes *any* descriptor of it, so an application that embeds this
 * library would lose its SQLite locks to a mere look at the header, and its
 * database with them (I9). Files this process has open are therefore read through
 * the descriptor that is open already.
 *
 * @module
 */

import { closeSync, constants, fstatSync, lstatSync, openSync, readdirSync, readSync } from "node:fs";
import { type ByteString, byteStringToPath } from "../../domain/byte-string.ts";

/** O_NONBLOCK: opening a pipe would wait for a writer. O_NOFOLLOW: a link is not what was walked. */
const openFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY;

/** Which files this process has open: inode -> descriptors. Inodes of different devices may collide; readers look closer. */
export type OpenInodes = ReadonlyMap<bigint, readonly number[]>;

/**
 * Lists what this process has open right now. Good until the next `await`, after which
 * other code may have opened something. Empty where the system does not tell.
 */
export function openInodesOfThisProcess(): OpenInodes {
  const inodes = new Map<bigint, number[]>();
  for (const descriptor of ownDescriptors()) {
    try {
      const { ino } = fstatSync(descriptor, { bigint: true });
      inodes.set(ino, [...(inodes.get(ino) ?? []), descriptor]);
    } catch {
      // Closed since it was listed, as the one that listed them is.
    }
  }
  return inodes;
}

function ownDescriptors(): number[] {
  try {
    return readdirSync("/dev/fd").map(Number);
  } catch {
    return [];
  }
}

export interface FileHead {
  /** As many bytes as were asked for, or fewer where the file ends. A view of `buffer`. */
  readonly bytes: Buffer;
  /** True if this process has the file open: it must not be opened and closed here again. */
  readonly held: boolean;
}

/**
 * Reads the beginning of a file into `buffer`.
 *
 * @returns undefined where it cannot be read: gone, forbidden, a link
 */
export function readFileHead(
  path: ByteString,
  inode: bigint,
  buffer: Buffer,
  open: OpenInodes,
): FileHead | undefined {
  try {
    const held = heldDescriptors(path, inode, open);
    if (held !== undefined) return { bytes: readHeld(held, buffer), held: true };
    const descriptor = openSync(byteStringToPath(path), openFlags);
    try {
      return { bytes: buffer.subarray(0, readSync(descriptor, buffer, 0, buffer.length, 0)), held: false };
    } finally {
      closeSync(descriptor);
    }
  } catch {
    return undefined;
  }
}

function heldDescriptors(path: ByteString, inode: bigint, open: OpenInodes): readonly number[] | undefined {
  const candidates = open.get(inode);
  if (candidates === undefined) return undefined;
  const { dev } = lstatSync(byteStringToPath(path), { bigint: true });
  const held = candidates.filter((descriptor) => fstatSync(descriptor, { bigint: true }).dev === dev);
  return held.length === 0 ? undefined : held;
}

/** Reads through whichever descriptor was opened for reading. */
function readHeld(descriptors: readonly number[], buffer: Buffer): Buffer {
  for (const descriptor of descriptors) {
    try {
      return buffer.subarray(0, readSync(descriptor, buffer, 0, buffer.length, 0));
    } catch {
      // Opened for writing only.
    }
  }
  return buffer.subarray(0, 0);
}
