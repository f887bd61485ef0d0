/**
 * The step that makes a finished file an object: it gets its final name in one
 * go, and never takes the name from another (I1, I2).
 *
 * `link` does that: it fails where the name is taken. Where the file system has
 * no hard links (exFAT, some network shares), the name is reserved with an empty
 * file, made exclusively, and the finished file is renamed over it. A run that
 * dies in between leaves the empty file, so in such a vault empty files are no
 * objects. A durable marker, written before the first reservation, tells readers;
 * without it an empty file is an object of no bytes.
 *
 * @module
 */

import { constants } from "node:fs";
import { lstat, open, rename, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import { BackupError } from "../domain/error.ts";
import type { LocalDirectories } from "./local-directories.ts";
import { systemCode } from "./local-errors.ts";
import { noHardLinksName, privateDirectory } from "./local-layout.ts";

/** E3 of the layout: backups are nobody else's business. */
export const fileMode = 0o600;
export const createFlags: number =
  constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/** What file systems without hard links answer. */
const cannotLink: ReadonlySet<string | undefined> = new Set(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"]);

const markerText = "This file system has no hard links. Empty files in this vault are unfinished writes.\n";

/** Gives finished files their names. */
export class LocalCommit {
  readonly #directories: LocalDirectories;
  readonly #linkFile: (existing: string, name: string) => Promise<void>;
  #declaring: Promise<void> | undefined;

  constructor(directories: LocalDirectories, linkFile: (existing: string, name: string) => Promise<void>) {
    this.#directories = directories;
    this.#linkFile = linkFile;
  }

  /**
   * Gives the synced file `from` the object's name. `from` may be left as a second
   * name of the same file. The name is durable only after a sync of its folder.
   *
   * @throws {BackupError} `exists`; the system's `EXDEV` if `from` is on another
   *   file system; `unsupported` for an empty object where empty files are no objects
   */
  async commit(from: string, name: string, sizeBytes: number): Promise<void> {
    if (sizeBytes === 0 && (await this.emptyFilesAreUnfinished())) throw cannotBeEmpty(name);
    const path = this.#directories.pathOf(name);
    try {
      await this.#linkFile(from, path);
      return;
    } catch (error) {
      const code = systemCode(error);
      if (code === "EEXIST") {
        // Over NFS the answer to a link can be lost and the call repeated: then the name is ours.
        if (await isSameFile(from, path)) return;
        throw nameTaken(name, error);
      }
      // EXDEV within one folder comes from unions that spread it over several disks; else the caller copies.
      const unionOfDisks = code === "EXDEV" && dirname(from) === dirname(path);
      if (!cannotLink.has(code) && !unionOfDisks) throw error;
    }
    if (sizeBytes === 0) throw cannotBeEmpty(name);
    await this.#declareEmptyFilesUnfinished();
    await reserve(path, name);
    try {
      await rename(from, path);
    } catch (error) {
      await unlink(path);
      throw error;
    }
  }

  /** Tells whether an empty file in this vault is the reservation of a write rather than an object. */
  async emptyFilesAreUnfinished(): Promise<boolean> {
    try {
      await lstat(this.#directories.pathOf(noHardLinksName));
      return true;
    } catch (error) {
      if (systemCode(error) === "ENOENT" || systemCode(error) === "ENOTDIR") return false;
      throw error;
    }
  }

  #declareEmptyFilesUnfinished(): Promise<void> {
    this.#declaring ??= this.#declare().catch((error: unknown) => {
      this.#declaring = undefined;
      throw error;
    });
    return this.#declaring;
  }

  async #declare(): Promise<void> {
    await this.#directories.make(privateDirectory);
    try {
      const handle = await open(this.#directories.pathOf(noHardLinksName), createFlags, fileMode);
      try {
        await handle.writeFile(markerText);
        await handle.sync();
      } finally {
        await handle.close();
      }
    } catch (error) {
      if (systemCode(error) !== "EEXIST") throw error;
    }
    await this.#directories.sync(privateDirectory);
  }
}

/** The error of a `put` under a name that is taken. */
export function nameTaken(name: string, cause?: unknown): BackupError {
  return new BackupError("exists", `Cannot store ${name}: an object of this name exists already`, { cause });
}

function cannotBeEmpty(name: string): BackupError {
  return new BackupError(
    "unsupported",
    `Cannot store ${name}: it is empty, and empty files cannot be told from unfinished ones here`,
    {
      hint: "Put the vault on a file system with hard links, such as ext4, XFS, Btrfs, ZFS or APFS.",
    },
  );
}

async function reserve(path: string, name: string): Promise<void> {
  try {
    await (await open(path, createFlags, fileMode)).close();
  } catch (error) {
    throw systemCode(error) === "EEXIST" ? nameTaken(name, error) : error;
  }
}

async function isSameFile(a: string, b: string): Promise<boolean> {
  const [first, second] = await Promise.all([lstat(a, { bigint: true }), lstat(b, { bigint: true })]);
  return first.dev === second.dev && first.ino === second.ino;
}
