/**
 * Tells a database's journal that came and went from a file somebody deleted.
 *
 * @module
 */

import { type BigIntStats, lstatSync } from "node:fs";
import { asByteString, type ByteString, byteStringToPath } from "../domain/byte-string.ts";
import { isSqliteHeader, magicBytes } from "../format/sqlite/header.ts";
import { sidecarSuffixes } from "../format/sqlite/sidecar.ts";
import { absolutePath } from "./entry-path.ts";
import { openInodesOfThisProcess, readFileHead } from "./file-head.ts";

/**
 * Tells whether a file that has just vanished was a sidecar: it was called like one, and
 * the file of the name without the suffix starts like a database. Applications in
 * rollback mode make and delete one with every commit, so this is no loss to report.
 */
export function isLiveSidecar(name: ByteString, directory: ByteString): boolean {
  const suffix = sidecarSuffixes.find((candidate) => name.endsWith(candidate));
  if (suffix === undefined) return false;
  const database = absolutePath(directory, asByteString(name.slice(0, -suffix.length)));
  const stats = fileStats(database);
  if (stats === undefined) return false;
  const head = readFileHead(database, stats.ino, Buffer.alloc(magicBytes), openInodesOfThisProcess());
  return head !== undefined && isSqliteHeader(head.bytes);
}

function fileStats(path: ByteString): BigIntStats | undefined {
  try {
    return lstatSync(byteStringToPath(path), { bigint: true, throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}
