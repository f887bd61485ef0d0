/**
 * The few file operations a swap and its journal are made of. An interface, so
 * that tests can stop a swap at every one of them and can forget what was never
 * synced, as a power cut would; {@link realDisk} is the file system itself.
 *
 * @module
 */

import { randomBytes } from "node:crypto";
import { chmodSync, constants, type Dirent, lstatSync } from "node:fs";
import { chmod, lchown, lstat, lutimes, mkdir, open, readdir, rename, rm, rmdir } from "node:fs/promises";
import { basename, dirname, join, posix } from "node:path";
import {
  asByteString,
  type ByteString,
  byteStringFromText,
  byteStringToPath,
} from "../../domain/byte-string.ts";
import { holdDirectory, pathBytesMax, shortPath, withShortPath } from "../tree/short-path.ts";

/** Mode, owner and time of a directory that stays where it is while its content is swapped. */
export interface PlaceAttributes {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeMs: number;
}

export interface SwapDisk {
  /** Is there anything of that name, be it a dangling link? */
  exists(path: ByteString): Promise<boolean>;
  /** The caller has made sure that nothing is at `to`. */
  rename(from: ByteString, to: ByteString): Promise<void>;
  /** Makes a private directory and those above it; one that is there stays as it is. */
  makeDirectory(path: ByteString): Promise<void>;
  /** Makes every change of names in these directories durable. One that is gone is passed over. */
  syncDirectories(paths: ReadonlySet<ByteString>): Promise<void>;
  setAttributes(path: ByteString, attributes: PlaceAttributes): Promise<void>;
  /** Permission bits of a directory, 0 to 0o7777; undefined where there is none, or a link to one. */
  modeOf(path: ByteString): Promise<number | undefined>;
  /** Gives a directory permission bits, durably where this user may read it before or after. No link is followed. */
  setMode(path: ByteString, mode: number): Promise<void>;
  /** Removes a tree, also where its directories keep their owner out; one that is gone already counts as removed. */
  removeTree(path: ByteString): Promise<void>;
  /** Removes a tree of directories as far as they are empty: a file in it stays, with what leads to it. */
  removeEmptyDirectories(path: ByteString): Promise<void>;
  /** Replaces a small file: readers see the old or the new text, and on return the new one is durable. */
  writeDurably(path: string, text: string): Promise<void>;
  /** Removes one file, durably; gone already counts as removed. */
  removeFile(path: string): Promise<void>;
}

/** More at once gain nothing on one disk. */
const syncsAtOnce = 8;

export const realDisk: SwapDisk = {
  async exists(path) {
    return (await withShortPath(path, (short) => lstat(short)).catch(ignoreMissing)) !== undefined;
  },

  async rename(from, to) {
    await withShortPath(from, (old) => withShortPath(to, (name) => rename(old, name)));
  },

  async makeDirectory(path) {
    await makeDirectories(path, 0o700);
  },

  async syncDirectories(paths) {
    const waiting = [...paths];
    const work = async (): Promise<void> => {
      for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) await syncDirectory(path);
    };
    await Promise.all(Array.from({ length: Math.min(syncsAtOnce, waiting.length) }, work));
  },

  async setAttributes(path, { mode, uid, gid, mtimeMs }) {
    await durably(path, async (place) => {
      // Only root may give files away; for anybody else the owner stays as it is.
      if (process.geteuid?.() === 0) await lchown(place, uid, gid);
      await chmod(place, mode);
      await lutimes(place, mtimeMs / 1000, mtimeMs / 1000);
    });
  },

  async modeOf(path) {
    using short = shortPath(path);
    return directoryMode(short.path);
  },

  async setMode(path, mode) {
    await durably(path, () => {
      using short = shortPath(path);
      changeDirectoryMode(short.path, mode);
    });
  },

  async removeTree(path) {
    try {
      await withShortPath(path, (place) => rm(place, { recursive: true, force: true }));
    } catch (error) {
      const refusal = error as NodeJS.ErrnoException;
      if (stubbornTree.has(refusal.code)) await removeStubbornTree(path, refusal);
      // A folder on the way to a very long path is gone.
      else if (refusal.code !== "ENOENT") throw error;
    }
  },

  async removeEmptyDirectories(path) {
    const mode = await realDisk.modeOf(path);
    if (mode === undefined) return;
    using short = shortPath(path);
    const isOpened = openUp(short.path, mode);
    try {
      for (const child of await readChildren(byteStringToPath(short.path))) {
        if (!child.isDirectory()) continue;
        await realDisk.removeEmptyDirectories(asByteString(`${path}/${child.name.toString("latin1")}`));
      }
      await rmdir(byteStringToPath(short.path)).catch(ignoreNotEmpty);
    } finally {
      // What stays is as it was.
      if (isOpened) changeDirectoryMode(short.path, mode);
    }
  },

  async writeDurably(path, text) {
    const temporary = join(dirname(path), `.tmp-${basename(path)}-${randomBytes(4).toString("hex")}`);
    try {
      const file = await open(temporary, "wx", 0o600);
      try {
        await file.writeFile(text);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(temporary, path);
    } catch (error) {
      // On a full disk above all nothing may be left of it (I8).
      await rm(temporary, { force: true }).catch(() => undefined);
      throw error;
    }
    await syncDirectory(byteStringFromText(dirname(path)));
  },

  async removeFile(path) {
    await rm(path, { force: true });
    await syncDirectory(byteStringFromText(dirname(path)));
  },
};

/**
 * Makes a directory and those above it that are missing. As `mkdir` has it, the mode is that of all
 * of them; those that are there stay as they are.
 */
export async function makeDirectories(path: ByteString, mode: number): Promise<void> {
  if (path.length > pathBytesMax && !(await realDisk.exists(path))) {
    await makeDirectories(asByteString(posix.dirname(path)), mode);
  }
  await withShortPath(path, (short) => mkdir(short, { recursive: true, mode }));
}

/** What its owner needs to list, enter and change a directory. */
export const ownerBits = 0o700;

/** @param path Short enough for the kernel */
function directoryMode(path: ByteString): number | undefined {
  try {
    const stats = lstatSync(byteStringToPath(path), { throwIfNoEntry: false });
    return stats?.isDirectory() === true ? stats.mode & 0o7777 : undefined;
  } catch (error) {
    return ignoreMissing(error as NodeJS.ErrnoException);
  }
}

/** Through a descriptor that follows no link: whoever may write around it could put one there. */
function changeDirectoryMode(path: ByteString, mode: number): void {
  try {
    using held = holdDirectory(path, constants.O_NOFOLLOW);
    chmodSync(byteStringToPath(held.path), mode);
  } catch (error) {
    ignoreMissing(error as NodeJS.ErrnoException);
  }
}

/** Lets its owner into a directory, if this is its owner; what is tried there next tells. @returns whether its mode changed */
function openUp(path: ByteString, mode = directoryMode(path)): boolean {
  if (mode === undefined || (mode & ownerBits) === ownerBits) return false;
  try {
    changeDirectoryMode(path, mode | ownerBits);
    return true;
  } catch {
    return false;
  }
}

/** Changes a directory and syncs it. Opened before: with its new mode it may not be open to anybody. */
async function durably(
  path: ByteString,
  change: (path: string | Buffer) => void | Promise<void>,
): Promise<void> {
  await withShortPath(path, async (place) => {
    const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
    const before = await open(place, flags).catch(() => undefined);
    try {
      await change(place);
      await before?.sync();
    } finally {
      await before?.close();
    }
    if (before === undefined) await syncDirectory(path).catch(() => undefined);
  });
}

/** What `rm` says of trees that are too deep for it, or whose directories do not let their owner in. */
const stubbornTree: ReadonlySet<string | undefined> = new Set(["ENAMETOOLONG", "EACCES", "EPERM"]);

/** Half of what Linux takes as a path, so that what lies in a directory at this depth can still be named. */
const shallowBytesMax = 2048;

/**
 * Removes a tree that goes deeper than paths do, below a name of a few bytes, and one with directories
 * that do not let their owner in.
 */
async function removeStubbornTree(path: ByteString, refusal: NodeJS.ErrnoException): Promise<void> {
  using outer = shortPath(path);
  if (directoryMode(outer.path) === undefined) throw refusal;
  try {
    openUp(outer.path);
    using held = holdDirectory(outer.path, constants.O_NOFOLLOW);
    await makeShallow(held.path);
    for (const child of await readChildren(byteStringToPath(held.path))) {
      const name = asByteString(`${held.path}/${child.name.toString("latin1")}`);
      await rm(byteStringToPath(name), { recursive: true, force: true });
    }
    await rmdir(byteStringToPath(outer.path)).catch(ignoreMissing);
  } catch (error) {
    // It names what is in the way by its own path.
    throw refusal.code === "ENAMETOOLONG" ? error : refusal;
  }
}

/**
 * Lets its owner into all of a tree, and moves what lies too deep to its top, so that all of it can be named.
 * What is gone meanwhile is passed over: an `rm` that was refused something is still at work elsewhere.
 */
async function makeShallow(tree: ByteString): Promise<void> {
  const waiting = [tree];
  for (let directory = waiting.pop(); directory !== undefined; directory = waiting.pop()) {
    const children = await readChildren(byteStringToPath(directory)).catch(ignoreMissing);
    for (const child of children ?? []) {
      if (!child.isDirectory()) continue;
      const path = asByteString(`${directory}/${child.name.toString("latin1")}`);
      openUp(path);
      if (path.length <= shallowBytesMax) {
        waiting.push(path);
        continue;
      }
      const shallow = asByteString(`${tree}/.deep-${randomBytes(8).toString("hex")}`);
      await rename(byteStringToPath(path), byteStringToPath(shallow)).catch(ignoreMissing);
      waiting.push(shallow);
    }
  }
}

function readChildren(directory: string | Buffer): Promise<Dirent<Buffer>[]> {
  return readdir(directory, { withFileTypes: true, encoding: "buffer" });
}

async function syncDirectory(path: ByteString): Promise<void> {
  const directory = await withShortPath(path, (short) => open(short, "r")).catch(ignoreMissing);
  if (directory === undefined) return;
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT" && error.code !== "ENOTDIR") throw error;
}

function ignoreNotEmpty(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST" && error.code !== "ENOENT") throw error;
}
