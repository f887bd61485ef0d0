/**
 * Objects as plain files in a local folder, which other programs can read. The
 * crash-safety of writes is in `local-write.ts` and `local-commit.ts`.
 *
 * @module
 */

import { constants } from "node:fs";
import {
  access,
  chmod,
  type FileHandle,
  link,
  lstat,
  mkdir,
  realpath,
  stat,
  statfs,
  unlink,
} from "node:fs/promises";
import { resolve } from "node:path";
import { type Clock, systemClock } from "../domain/clock.ts";
import { BackupError } from "../domain/error.ts";
import type { ThisMachine } from "../domain/run-owner.ts";
import { LocalCommit } from "./local-commit.ts";
import { LocalDirectories, makeDurableDirectory, parentOf, syncDirectory } from "./local-directories.ts";
import { localError, systemCode } from "./local-errors.ts";
import { checkLocalName, stagingDirectory } from "./local-layout.ts";
import { openRegularFile, readOpenFile } from "./local-read.ts";
import { cleanDirectories, describeObject, linksBelow, strangersIn, walkObjects } from "./local-walk.ts";
import { LocalWriter } from "./local-write.ts";
import { checkPrefix } from "./object-name.ts";
import type {
  ByteRange,
  Storage,
  StorageContent,
  StorageFolders,
  StorageProperties,
  StoredObject,
} from "./storage.ts";

/** Files are removed this many at a time: enough for a network share, harmless to a disk. */
const removalsAtOnce = 16;

export interface LocalStorageOptions {
  /** Make the folder if it is not there. */
  readonly create: boolean;
  /** Whose name unfinished files carry, and how the names of others are judged. */
  readonly machine: ThisMachine;
}

/** System calls that tests replace, to see their order or to play a file system that lacks them. */
export interface LocalSystem {
  readonly clock: Clock;
  readonly linkFile: (existing: string, name: string) => Promise<void>;
  readonly syncFile: (handle: FileHandle) => Promise<void>;
  readonly syncDirectory: (path: string) => Promise<void>;
}

const realSystem: LocalSystem = {
  clock: systemClock,
  linkFile: link,
  // Data and size, but not times: what a reader needs, and less to write.
  syncFile: (handle) => handle.datasync(),
  syncDirectory,
};

/**
 * Opens a folder as a storage. A folder that is made here is private (0700); the
 * mode of one that exists is left alone.
 *
 * @throws {BackupError} `not-found` if it does not exist and is not to be made;
 *   `invalid-input` if something else is there; `storage-unavailable`; `no-space`
 */
export async function openLocalStorage(
  directory: string,
  options: LocalStorageOptions,
  system: Partial<LocalSystem> = {},
): Promise<Storage> {
  try {
    const root = await openRoot(resolve(directory), options.create);
    const readOnly = await isReadOnly(root);
    if (options.create && !readOnly)
      await mkdir(resolve(root, stagingDirectory), { recursive: true, mode: 0o700 });
    return new LocalStorage(root, readOnly, options.machine, { ...realSystem, ...system });
  } catch (error) {
    throw localError(error, `open the vault folder ${directory}`);
  }
}

async function openRoot(path: string, create: boolean): Promise<string> {
  let isDirectory: boolean;
  try {
    isDirectory = (await stat(path)).isDirectory();
  } catch (error) {
    if (systemCode(error) !== "ENOENT") throw error;
    if (!create) throw noFolder(path, error);
    // The umask may have taken bits from the mode it was made with; another process may have been faster.
    if (await makeDurableDirectory(path)) await chmod(path, 0o700);
    isDirectory = true;
  }
  if (!isDirectory)
    throw new BackupError("invalid-input", `Cannot open the vault folder ${path}: it is a file`);
  return realpath(path);
}

function noFolder(path: string, cause: unknown): BackupError {
  return new BackupError("not-found", `Cannot open the vault folder ${path}: it does not exist`, {
    cause,
    hint: "Check the path, and whether the disk it is on is mounted; create makes a new vault.",
  });
}

async function isReadOnly(root: string): Promise<boolean> {
  try {
    await access(root, constants.W_OK | constants.X_OK);
    return false;
  } catch (error) {
    if (["EACCES", "EPERM", "EROFS"].includes(systemCode(error) ?? "")) return true;
    throw error;
  }
}

class LocalStorage implements Storage {
  readonly location: string;
  readonly properties: StorageProperties;
  readonly folders: StorageFolders = {
    has: (name, signal) => this.#hasFolder(name, signal),
    strangers: (name, signal) => this.#strangers(name, signal),
    links: (name, signal) => this.#links(name, signal),
    make: (name, signal) => this.#makeFolder(name, signal),
  };
  readonly #machine: ThisMachine;
  readonly #clock: Clock;
  readonly #directories: LocalDirectories;
  readonly #commit: LocalCommit;
  readonly #writer: LocalWriter;

  constructor(root: string, readOnly: boolean, machine: ThisMachine, system: LocalSystem) {
    this.location = root;
    this.properties = {
      putIfAbsent: true,
      consistentList: true,
      objectSizeBytesMax: Number.MAX_SAFE_INTEGER,
      readOnly,
      ...(readOnly ? {} : { stagingDirectory: resolve(root, stagingDirectory) }),
    };
    this.#machine = machine;
    this.#clock = system.clock;
    this.#directories = new LocalDirectories(root, system.syncDirectory);
    this.#commit = new LocalCommit(this.#directories, system.linkFile);
    this.#writer = new LocalWriter({
      directories: this.#directories,
      commit: this.#commit,
      owner: machine.owner,
      syncFile: system.syncFile,
    });
  }

  async put(name: string, content: StorageContent, signal: AbortSignal): Promise<void> {
    checkLocalName(name);
    let producerError: unknown;
    try {
      await this.#writer.put(
        name,
        watched(content, (error) => {
          producerError = error;
        }),
        signal,
      );
    } catch (error) {
      // What the producer of a stream met (its own disk full, its file gone) says nothing about this storage.
      if (producerError !== undefined && error === producerError) throw error;
      throw localError(error, `store ${name}`);
    }
  }

  async *get(name: string, range: ByteRange | undefined, signal: AbortSignal): AsyncIterable<Uint8Array> {
    checkLocalName(name);
    checkRange(range);
    signal.throwIfAborted();
    try {
      await this.#directories.exists(parentOf(name));
      const file = await openRegularFile(this.#directories.pathOf(name), name);
      try {
        if (file.sizeBytes === 0 && (await this.#commit.emptyFilesAreUnfinished())) {
          throw new BackupError("not-found", `Cannot read ${name}: its write never finished`);
        }
        yield* readOpenFile(file, name, range, signal);
      } finally {
        await file.handle.close();
      }
    } catch (error) {
      throw localError(error, `read ${name}`);
    }
  }

  localPath(name: string): string {
    checkLocalName(name);
    return this.#directories.pathOf(name);
  }

  async stat(name: string, signal: AbortSignal): Promise<StoredObject | undefined> {
    checkLocalName(name);
    signal.throwIfAborted();
    try {
      if (!(await this.#directories.exists(parentOf(name)))) return undefined;
      return await this.#unlessUnfinished(await describeObject(this.#directories, name));
    } catch (error) {
      throw localError(error, `look up ${name}`);
    }
  }

  async *list(prefix: string, signal: AbortSignal): AsyncIterable<StoredObject> {
    checkPrefix(prefix);
    try {
      // An unmounted disk must not look like an empty vault.
      await lstat(this.location);
      for await (const object of walkObjects(this.#directories, prefix, signal)) {
        const finished = await this.#unlessUnfinished(object);
        if (finished !== undefined) yield finished;
      }
    } catch (error) {
      throw localError(error, `list ${prefix === "" ? "the vault" : prefix} in ${this.location}`);
    }
  }

  async remove(names: readonly string[], signal: AbortSignal): Promise<void> {
    for (const name of names) checkLocalName(name);
    const touched = new Set<string>();
    try {
      for (let i = 0; i < names.length; i += removalsAtOnce) {
        signal.throwIfAborted();
        const batch = names.slice(i, i + removalsAtOnce);
        await Promise.all(batch.map((name) => this.#unlink(name, touched)));
      }
    } catch (error) {
      throw localError(error, `remove from ${this.location}`);
    } finally {
      await this.#syncAll(touched);
    }
  }

  async freeBytes(signal: AbortSignal): Promise<number | undefined> {
    signal.throwIfAborted();
    try {
      const { bavail, bsize } = await statfs(this.location);
      return bavail * bsize;
    } catch (error) {
      throw localError(error, `measure the free space of ${this.location}`);
    }
  }

  async cleanUnfinished(signal: AbortSignal): Promise<number> {
    try {
      return await cleanDirectories(this.#directories, this.#machine, this.#clock.now(), signal);
    } catch (error) {
      throw localError(error, `clean ${this.location}`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  async #hasFolder(name: string, signal: AbortSignal): Promise<boolean> {
    checkLocalName(name);
    signal.throwIfAborted();
    try {
      // An unmounted disk must not look like a vault that lost a folder.
      await lstat(this.location);
      this.#directories.forget();
      return await this.#directories.exists(name);
    } catch (error) {
      throw localError(error, `look up the folder ${name}`);
    }
  }

  async #strangers(name: string, signal: AbortSignal): Promise<readonly string[]> {
    checkLocalName(name);
    signal.throwIfAborted();
    try {
      return await strangersIn(this.#directories, name);
    } catch (error) {
      throw localError(error, `list the folder ${name}`);
    }
  }

  async #links(name: string, signal: AbortSignal): Promise<readonly string[]> {
    checkLocalName(name);
    try {
      this.#directories.forget();
      return await linksBelow(this.#directories, name, signal);
    } catch (error) {
      throw localError(error, `look for links in the folder ${name}`);
    }
  }

  async #makeFolder(name: string, signal: AbortSignal): Promise<void> {
    checkLocalName(name);
    signal.throwIfAborted();
    try {
      await this.#directories.make(name);
    } catch (error) {
      throw localError(error, `make the folder ${name}`);
    }
  }

  async #unlessUnfinished(object: StoredObject | undefined): Promise<StoredObject | undefined> {
    if (object?.sizeBytes === 0 && (await this.#commit.emptyFilesAreUnfinished())) return undefined;
    return object;
  }

  async #unlink(name: string, touched: Set<string>): Promise<void> {
    if (!(await this.#directories.exists(parentOf(name)))) return;
    try {
      await unlink(this.#directories.pathOf(name));
    } catch (error) {
      if (systemCode(error) !== "ENOENT") throw error;
    }
    // Also where it was gone: the run that removed it may have died before its sync.
    touched.add(parentOf(name));
  }

  async #syncAll(directories: ReadonlySet<string>): Promise<void> {
    try {
      await Promise.all([...directories].map((directory) => this.#directories.sync(directory)));
    } catch (error) {
      throw localError(error, `make removals durable in ${this.location}`);
    }
  }
}

function checkRange(range: ByteRange | undefined): void {
  if (range === undefined) return;
  if (!Number.isSafeInteger(range.offset) || range.offset < 0) {
    throw new RangeError(`Range offset ${range.offset} is not a count of bytes`);
  }
  if (!Number.isSafeInteger(range.length) || range.length < 1) {
    throw new RangeError(`Range length ${range.length} is not at least 1`);
  }
}

/** The same content; tells `onError` what its producer throws. */
function watched(content: StorageContent, onError: (error: unknown) => void): StorageContent {
  if (content instanceof Uint8Array || "preparedFile" in content) return content;
  return (async function* () {
    try {
      yield* content;
    } catch (error) {
      onError(error);
      throw error;
    }
  })();
}
