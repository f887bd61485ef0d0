/**
 * Content that comes as a stream of another backup instead of a file: what is
 * recorded of it, and the check that it is as long as it is said to be.
 *
 * @module
 */

import { byteStringToDisplay } from "../../../domain/byte-string.ts";
import type { Entry } from "../../../domain/entry.ts";
import { BackupError } from "../../../domain/error.ts";
import type { EntryFacts } from "../../../format/archive/contents-line.ts";
import type { ByteFeed } from "./byte-feed.ts";

/** What is recorded of an entry whose bytes are not those of a file that could be asked. */
export function streamFacts(entry: Entry): EntryFacts {
  const { root, path, kind, mode, uid, gid, mtimeNs, ctimeNs, inode, sizeBytes } = entry;
  return { root, path, kind, mode, uid, gid, mtimeNs, ctimeNs, inode, sizeBytes };
}

/** Asks the stream for its end, where it also verifies what it gave. @throws {BackupError} `damaged` if there is more */
export async function requireEnd(feed: ByteFeed, entry: Entry): Promise<void> {
  if (await feed.ended()) return;
  throw new BackupError(
    "damaged",
    `Cannot store ${displayPath(entry)}: there are more than its ${entry.sizeBytes} bytes`,
  );
}

/** An entry, for messages. */
export function displayPath({ root, path }: Pick<Entry, "root" | "path">): string {
  return path === "" ? root : `${root}/${byteStringToDisplay(path)}`;
}
