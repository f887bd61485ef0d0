/**
 * Recognises folders that say of themselves that they hold a cache.
 * Source of name and signature: Cache Directory Tagging Specification 1.0 (bford.info/cachedir).
 *
 * @module
 */

import { asByteString, type ByteString } from "../../domain/byte-string.ts";
import { absolutePath } from "../tree/entry-path.ts";
import { type OpenInodes, readFileHead } from "./file-head.ts";

/** The one name that stays when the rest of a cache folder is left out. */
export const cacheTagName: ByteString = asByteString("CACHEDIR.TAG");

const signature = "Signature: 8a477f597d28d172789f06886806bc55";
/** The tag itself is a file only caches write; nobody keeps locks on it. */
const nothingHeld: OpenInodes = new Map();

/** Tells whether a folder holds a tag with the right signature; a file that only has the name is none. */
export function isCacheDirectory(directory: ByteString): boolean {
  const head = readFileHead(
    absolutePath(directory, cacheTagName),
    0n,
    Buffer.alloc(signature.length),
    nothingHeld,
  );
  return head?.bytes.toString("latin1") === signature;
}
