/**
 * What a restored archive may not say. Archives are untrusted when read back, so
 * every path and link target is looked at before it meets the file system. Pure.
 *
 * @module
 */

import { type ByteString, byteStringToDisplay } from "../../domain/byte-string.ts";
import { BackupError } from "../../domain/error.ts";

/** An empty, "." or ".." component anywhere; an absolute path starts with an empty one. */
const unsafeComponent = /(?:^|\/)\.{0,2}(?:\/|$)/;
/** Characters above 255 would lose bits on their way to the file system: U+012F becomes "/". */
const notBytes = /[\u0100-\uffff]/;

/**
 * Accepts a path only if it stays inside the root whatever is there: relative, no empty,
 * "." or ".." component, no NUL. The empty path, the root itself, passes.
 *
 * @throws {BackupError} `unsafe`
 */
export function checkEntryPath(path: ByteString): void {
  if (path === "") return;
  if (path.includes("\0") || notBytes.test(path)) throw unsafe(path, "it holds bytes no file name has");
  if (path.startsWith("/")) throw unsafe(path, "it is absolute");
  if (unsafeComponent.test(path)) throw unsafe(path, 'it has an empty, "." or ".." component');
}

/** Accepts a link target the file system can hold. Where it leads is another question. @throws {BackupError} `unsafe` */
export function checkLinkTarget(path: ByteString, target: ByteString): void {
  if (target === "" || target.includes("\0") || notBytes.test(target)) {
    throw unsafe(path, "it is a link with no possible target");
  }
}

/**
 * Tells whether a link could lead out of the root. Sees the text only, so it is strict:
 * ".." after a name counts as outside too, because that name may be a link itself. Links
 * for which the answer is no stay inside however they are chained.
 */
export function linkLeadsOutside(path: ByteString, target: ByteString): boolean {
  if (target.startsWith("/")) return true;
  const depth = path.split("/").length - 1;
  let up = 0;
  let down = 0;
  for (const component of target.split("/")) {
    if (component === "" || component === ".") continue;
    if (component !== "..") down++;
    else if (down > 0 || ++up > depth) return true;
  }
  return false;
}

function unsafe(path: ByteString, state: string): BackupError {
  return new BackupError("unsafe", `Cannot restore ${byteStringToDisplay(path)}: ${state}`, {
    hint: "This program never writes such an entry: the archive is hostile or damaged.",
  });
}
