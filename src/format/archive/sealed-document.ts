/**
 * JSON documents that carry a checksum of themselves, so that a flipped bit in a
 * text is noticed as surely as one in a number. The checksum stands on a line of
 * its own at the end, and is that of all lines above it:
 * `head -n -2 FILE | sha256sum` computes it.
 *
 * @module
 */

import { hash } from "node:crypto";

const sealField = "sha256_above";

/** The end of every document, byte for byte: nothing after the checksum can change unnoticed either. */
const endPattern = /^ {2}"sha256_above": "([0-9a-f]{64})"\n\}\n$/;
const endBytes: number = encodeEnd("").length + 64;

/**
 * - `intact`: the document is what was written
 * - `changed`: it has a checksum, of something else
 * - `unsealed`: it does not end in one
 */
export type Seal = "intact" | "changed" | "unsealed";

/** The document as stored: indented, because people read it too. It must have at least one field. */
export function encodeSealed(document: Readonly<Record<string, unknown>>): Buffer {
  const above = `${JSON.stringify(document, undefined, 2).slice(0, -"\n}".length)},\n`;
  return Buffer.from(above + encodeEnd(hash("sha256", above)), "utf8");
}

function encodeEnd(sha256: string): string {
  return `  "${sealField}": "${sha256}"\n}\n`;
}

/** Compares a document with its checksum; says nothing about whether it makes sense. */
export function checkSeal(bytes: Uint8Array): Seal {
  const start = Math.max(0, bytes.byteLength - endBytes);
  const end = endPattern.exec(Buffer.from(bytes.subarray(start)).toString("latin1"));
  if (end === null) return "unsealed";
  return hash("sha256", bytes.subarray(0, start)) === end[1] ? "intact" : "changed";
}
