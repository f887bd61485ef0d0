/**
 * Begins to walk a large folder while the vault is got ready for its backup.
 *
 * @module
 */

import type { ByteString } from "../domain/byte-string.ts";
import type { Clock } from "../domain/clock.ts";
import { StartedWalk } from "../source/folder/walk-aside.ts";
import { realBytePath, type WalkOptions } from "../source/folder/walk-folder.ts";
import { entriesWorthThread } from "../source/folder/walk-thread.ts";
import { withSidecars } from "../source/sidecar-names.ts";
import type { OperationContext } from "./context.ts";
import type { FolderSource } from "./requests.ts";

/** What was seen longer ago is looked at again: the vault may have had to wait for somebody else's lock. */
const freshMsMax = 10_000;

/** A folder that is being walked. */
export interface WalkAhead {
  readonly folder: FolderSource;
  readonly walk: StartedWalk;
  /** Is what was seen first recent enough to go by? */
  isFresh(): boolean;
}

/**
 * Starts the walk of the first folder, where a thread is worth it. Not to be asked for before databases are
 * captured: files are walked after them, so that what their rows name is there.
 *
 * @param entriesExpected Entries an earlier backup held; 0 where there is none
 */
export function walkAhead(
  folders: readonly FolderSource[],
  skip: ReadonlySet<ByteString>,
  entriesExpected: number,
  clock: Clock,
): WalkAhead | undefined {
  const [folder] = folders;
  if (folder === undefined || entriesExpected < entriesWorthThread) return undefined;
  const walk = new StartedWalk(walkOptions(folder, skip));
  const startedAtElapsed = clock.elapsed();
  return { folder, walk, isFresh: () => clock.elapsed() - startedAtElapsed <= freshMsMax };
}

/** How a folder of a source is walked. */
export function walkOptions(
  { name, path, excludes, oneFileSystem, excludeCaches }: FolderSource,
  skip: ReadonlySet<ByteString>,
): WalkOptions {
  return { root: { name, path }, excludes, oneFileSystem, excludeCaches, skip };
}

/** What no walk stores: our own folders, and declared databases, which are captured instead, with their sidecars. */
export function skippedPaths(
  context: OperationContext,
  declaredPaths: readonly string[],
): ReadonlySet<ByteString> {
  const databases = declaredPaths.flatMap((path) => withSidecars(realBytePath(path)));
  return new Set([...context.ownDirectories.map(realBytePath), ...databases]);
}
