/**
 * The names under which a restore keeps things beside its target: what it is
 * building, and the state it replaced. They may lie inside protected folders, so
 * every walk leaves them out.
 *
 * @module
 */

import type { ByteString } from "../../domain/byte-string.ts";

const stagingWord = ".vertex-restore-";
const previousWord = ".vertex-previous-";

/** A file name has 255 bytes; the words, the id and some room for suffixes need up to 60. */
const nameBytesMax = 180;

const leftover = /\.vertex-(?:restore|previous)-\d{8}_\d{6}-[0-9a-f]{6}$/;

/** Name of the private folder in which the new state of `name` is built; empty `name` for one inside a mount point. */
export function stagingName(name: ByteString, restoreId: string): ByteString {
  return beside(name, stagingWord, restoreId);
}

/** Name of the private folder that keeps what `name` was before; empty `name` for one inside a mount point. */
export function previousName(name: ByteString, restoreId: string): ByteString {
  return beside(name, previousWord, restoreId);
}

/**
 * Tells whether a file name is one that only a restore makes, so that backups leave it
 * out and a restored folder does not count it as changed.
 */
export function isRestoreLeftover(name: string): boolean {
  return name.startsWith(".") && leftover.test(name);
}

function beside(name: ByteString, word: string, restoreId: string): ByteString {
  const visible = name === "" ? "" : `.${name.slice(0, nameBytesMax)}`;
  return `${visible}${word}${restoreId}` as ByteString;
}
