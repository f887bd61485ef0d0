/**
 * Reads a `tar.gz` without any of our code, so that our output is not its own oracle.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";

/** Names of the regular files in an archive, in order. Only for names that fit a plain header. */
export function tarNames(path: string): string[] {
  const tar = gunzipSync(readFileSync(path));
  const names: string[] = [];
  for (let at = 0; at + 512 <= tar.length && tar[at] !== 0; ) {
    const header = tar.subarray(at, at + 512);
    const size = Number.parseInt(header.subarray(124, 136).toString("latin1"), 8);
    // Type "0", POSIX.1-1988 ustar: a regular file.
    if (header[156] === 0x30) names.push(header.subarray(0, 100).toString("utf8").replace(/\0.*$/s, ""));
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return names;
}
