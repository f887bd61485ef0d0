/**
 * Joining, splitting and showing the paths of entries. Pure; paths are byte
 * strings with "/" between components, as `domain/entry.ts` defines them.
 *
 * @module
 */

import { asByteString, type ByteString, byteStringToDisplay } from "../../domain/byte-string.ts";

/** The path of `name` inside `directory`; an empty directory is the root of the entries. */
export function joinEntryPath(directory: ByteString, name: ByteString): ByteString {
  return asByteString(directory === "" ? name : `${directory}/${name}`);
}

/** The path of the directory an entry lies in; empty for what lies in the root. */
export function parentEntryPath(path: ByteString): ByteString {
  return asByteString(path.slice(0, Math.max(path.lastIndexOf("/"), 0)));
}

/** The last component of a path. */
export function entryName(path: ByteString): ByteString {
  return asByteString(path.slice(path.lastIndexOf("/") + 1));
}

/** An absolute path inside the folder at `directory`, which itself is absolute. */
export function absolutePath(directory: ByteString, path: ByteString): ByteString {
  if (path === "") return directory;
  return asByteString(directory.endsWith("/") ? `${directory}${path}` : `${directory}/${path}`);
}

/** How problems name an entry to people: root name and path inside it. */
export function displayEntryPath(root: string, path: ByteString): string {
  return path === "" ? root : `${root}/${byteStringToDisplay(path)}`;
}
