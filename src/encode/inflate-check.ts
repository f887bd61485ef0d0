/**
 * Looks whether a gzip member holds what it was made of.
 *
 * @module
 */

import { gunzipSync } from "node:zlib";
import { BackupError } from "../domain/error.ts";

/** @throws {BackupError} `bug` if `member` is anything but `raw`, compressed */
export function assertInflates(member: Uint8Array, raw: Uint8Array): void {
  let cause: unknown;
  try {
    // One byte more than there should be, so that a longer result is refused and not made.
    if (gunzipSync(member, { maxOutputLength: raw.length + 1 }).equals(raw)) return;
  } catch (error) {
    cause = error;
  }
  throw new BackupError("bug", "Cannot compress: what was compressed is not what comes out", {
    cause,
    hint: "Compress with zlib instead: give a level, for example 5.",
  });
}
