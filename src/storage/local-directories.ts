/**
 * The folders of a local storage: made when first needed, checked not to be
 * symbolic links, and synced, so that the names in them survive a power cut (I1).
 *
 * @module
 */

import { constants } from "node:fs";
import { lstat, mkdir, open, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { BackupError } from "../domain/error.ts";
import { systemCode } from "./local-errors.ts";

/** E3 of the layout: backups are nobody else's business. */
const directoryMode = 0o700;

/** What file systems answer that do not know how to sync a directory; their own rules apply then. */
const cannotSyncDirectories: ReadonlySet<string | undefined> = new Set([
  "EINVAL",
  "ENOTSUP",
  "EOPNOTSUPP",
  "ENOSYS",
]);

/** Makes the names in a directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } catch (error) {
    if (!cannotSyncDirectories.has(systemCode(error))) throw error;
  } finally {
    await handle.close();
  }
}

/**
 * Makes a folder and those above it, private and durable.
 *
 * @returns whether the folder itself was made, or was there already
 */
export async function makeDurableDirectory(path: string): Promise<boolean> {
  const first = await makeMissing(path);
  if (first === undefined) return false;
  for (let made = path; made.length >= first.length; made = dirname(made)) await syncDirectory(dirname(made));
  return true;
}

/**
 * Makes a folder and those missing above it; names the uppermost one made.
 *
 * Not by the recursive `mkdir` of Node.js, which never ends where a file system
 * answers ENOENT below a folder that is there, as `/proc` and automounters do.
 */
async function makeMissing(path: string): Promise<string | undefined> {
  const error = await makeOne(path);
  if (error === undefined) return path;
  if (systemCode(error) === "EEXIST" && (await stat(path)).isDirectory()) return undefined;
  const parent = dirname(path);
  if (systemCode(error) !== "ENOENT" || parent === path) throw error;
  const first = await makeMissing(parent);
  const again = await makeOne(path);
  if (again === undefined) return first ?? path;
  // Another run may have made it meanwhile.
  if (systemCode(again) === "EEXIST" && (await stat(path)).isDirectory()) return first;
  throw again;
}

async function makeOne(path: string): Promise<unknown> {
  try {
    await mkdir(path, { mode: directoryMode });
    return undefined;
  } catch (error) {
    return error;
  }
}

/** The folders below one root. Safe for many callers at once. */
export class LocalDirectories {
  readonly #root: string;
  readonly #sync: (path: string) => Promise<void>;
  readonly #made = new Map<string, Promise<void>>();
  readonly #checked = new Set<string>();
  readonly #waiting = new Map<string, Promise<void>>();
  readonly #running = new Map<string, Promise<void>>();

  constructor(root: string, sync: (path: string) => Promise<void>) {
    this.#root = root;
    this.#sync = sync;
  }

  /** Absolute path of a folder given relative to the root; empty for the root. */
  pathOf(directory: string): string {
    return join(this.#root, directory);
  }

  /** Makes a folder and those between it and the root, which itself is never made again: its disk may be unmounted. */
  make(directory: string): Promise<void> {
    const known = this.#made.get(directory);
    if (known !== undefined) return known;
    const making = this.#make(directory).catch((error: unknown) => {
      this.forget();
      throw error;
    });
    this.#made.set(directory, making);
    return making;
  }

  /** Drops what is remembered, after a folder was found missing. */
  forget(): void {
    this.#made.clear();
    this.#checked.clear();
  }

  /**
   * Tells whether the folder is there.
   *
   * @throws {BackupError} `unsafe` if it, or one above it, is a symbolic link
   */
  async exists(directory: string): Promise<boolean> {
    if (directory === "" || this.#checked.has(directory)) return true;
    if (!(await this.exists(parentOf(directory)))) return false;
    try {
      const stats = await lstat(this.pathOf(directory));
      if (stats.isSymbolicLink()) throw this.#symbolicLink(directory);
      if (!stats.isDirectory()) return false;
    } catch (error) {
      if (systemCode(error) === "ENOENT") return false;
      throw error;
    }
    this.#checked.add(directory);
    return true;
  }

  /** Makes the names in a folder durable. Callers that come while one sync runs share the next. */
  sync(directory: string): Promise<void> {
    const waiting = this.#waiting.get(directory);
    if (waiting !== undefined) return waiting;
    const running = this.#running.get(directory) ?? Promise.resolve();
    const next = running
      .catch(() => undefined) // Told to those who waited for it.
      .then(() => {
        // From here on changes may come too late for this sync.
        this.#waiting.delete(directory);
        return this.#sync(this.pathOf(directory));
      });
    this.#waiting.set(directory, next);
    this.#running.set(directory, next);
    return next;
  }

  async #make(directory: string): Promise<void> {
    if (directory === "") return;
    const parent = parentOf(directory);
    await this.make(parent);
    try {
      await mkdir(this.pathOf(directory), { mode: directoryMode });
    } catch (error) {
      if (systemCode(error) !== "EEXIST") throw error;
      if (!(await this.exists(directory))) throw error;
    }
    // I1: also where it was there already, because the run that made it may have died before its sync.
    await this.sync(parent);
  }

  #symbolicLink(directory: string): BackupError {
    return new BackupError(
      "unsafe",
      `Cannot use folder ${directory} of ${this.#root}: it is a symbolic link`,
      {
        hint: "Mount the other disk there (mount --bind), or make the vault folder itself the link.",
      },
    );
  }
}

/** The folder of an object, relative to the root; empty for the root. */
export function parentOf(name: string): string {
  const slash = name.lastIndexOf("/");
  return slash < 0 ? "" : name.slice(0, slash);
}
