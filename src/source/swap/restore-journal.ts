/**
 * The restore journal: what a restore is about to do, written before it does it,
 * one file a restore in the state directory. It spans all targets, so that a
 * crash at any point is taken forward or back over all of them together (I4).
 * `swap.ts` acts on it; `restore-journal-store.ts` keeps it.
 *
 * @module
 */

import type { ByteString } from "../../domain/byte-string.ts";
import type { RunOwner } from "../../domain/run-owner.ts";
import type { PlaceAttributes } from "./swap-disk.ts";

/**
 * What may be trusted in each state, and which way a crash in it is taken.
 * - `building`: targets untouched; staging is unfinished. Back.
 * - `staged`: targets untouched; staging is complete, verified and durable. Back.
 * - `installing`: databases are being written through SQLite; images wait in staging. Forward.
 * - `clearing`: the old is being moved aside. Forward.
 * - `filling`: all of the old is aside, durably; the new is being moved in. Forward.
 * - `reverting`: going forward was impossible; everything is being moved back. Back.
 * - `done`: all of the new is in, durably; leftovers are being removed. Forward.
 * - `kept`: nothing left to do; the previous state is kept for an undo.
 * - `discarding`: the previous state is being deleted, and never offered for an undo again. Forward.
 */
export type JournalState =
  | "building"
  | "staged"
  | "installing"
  | "clearing"
  | "filling"
  | "reverting"
  | "done"
  | "kept"
  | "discarding";

/** One name that is swapped, as a whole: a file, a folder with all that is in it, or a link. */
export interface SwapSlot {
  /** Relative to the area's `place`, and equally to its `staging` and `previous`. */
  readonly name: ByteString;
  /** Whether staging holds something that takes its place; if not, the name becomes absent. */
  readonly arrives: boolean;
  /** A database: its `-wal`, `-shm` and `-journal` go and come with it. */
  readonly database: boolean;
}

/** A folder of this user without the rights that a swap needs: it gets them for the swap, and then its mode back. */
export interface LentFolder {
  /** Relative, as a slot's; "" for `place` or `staging` itself. */
  readonly name: ByteString;
  /** `old`: it was in `place` before the swap. `new`: it was in `staging`. */
  readonly side: "old" | "new";
  readonly mode: number;
}

/** Slots of one directory, with the two private directories on its own file system that they come from and go to. */
export interface SwapArea {
  readonly place: ByteString;
  readonly staging: ByteString;
  /** What is removed when `staging` is of no more use: that directory itself, or one that holds it. */
  readonly container: ByteString;
  readonly previous: ByteString;
  readonly slots: readonly SwapSlot[];
  /** Where `place` itself cannot be swapped (a mount point): what it is given afterwards, and what it had. */
  readonly attributes?: { readonly after: PlaceAttributes; readonly before: PlaceAttributes };
  /** Noted before anything moves; see `lent-folders.ts`. */
  readonly lent?: readonly LentFolder[];
  /** Set in the end where nothing was there before, so that there is no `previous`. */
  readonly wasAbsent?: boolean;
  /** Absolute paths of the targets in this area, for display and to tell overlapping restores apart. */
  readonly targets: readonly string[];
}

/** A database that is written through SQLite instead of being swapped. */
export interface LiveTarget {
  readonly name: string;
  readonly path: string;
  /** The image to install, in a private folder of its own that is removed when the restore is done. */
  readonly imagePath: ByteString;
  readonly journalMode: string;
}

export interface RestoreJournal {
  readonly id: string;
  readonly kind: "restore" | "undo";
  /** Of an undo: the restore that it takes back. */
  readonly undoes?: string;
  readonly owner: RunOwner;
  readonly startedAtMs: number;
  readonly backupId: string;
  /** Where the vault is that it was asked of: "the last restore" of one app is not that of another. */
  readonly vault?: string;
  readonly state: JournalState;
  readonly areas: readonly SwapArea[];
  readonly live: readonly LiveTarget[];
  readonly safetyBackupId?: string;
  /** Set where no backup holds all of what is replaced: then no later restore removes `previous` either. */
  readonly onlyCopy?: boolean;
  /** Of a `kept` one, higher than that of any that came to its end before: clocks are set back. */
  readonly number?: number;
  /** Kept trees that are being deleted. `areas` and `live` name them no longer; in state `discarding` nothing else is left. */
  readonly discarding?: readonly ByteString[];
}

/** Has a restore let go of its targets? */
export function isEnded({ state }: RestoreJournal): boolean {
  return state === "kept" || state === "discarding";
}

/** Absolute paths of everything a restore replaces. */
export function journalTargets(journal: RestoreJournal): readonly string[] {
  return [...journal.areas.flatMap((area) => area.targets), ...journal.live.map((target) => target.path)];
}

/** Tells whether one of the paths is the other, or lies in it. */
export function pathsOverlap(a: string, b: string): boolean {
  return a === b || isInside(a, b) || isInside(b, a);
}

/** Tells whether `path` lies below `folder`; a folder is not inside itself. */
export function isInside(path: string, folder: string): boolean {
  return path.startsWith(folder.endsWith("/") ? folder : `${folder}/`);
}
