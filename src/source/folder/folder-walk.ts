/**
 * The synchronous heart of `walk-folder.ts`: one step looks at one name. Knows
 * the way down to where it is, the rules, and the files with several names.
 *
 * @module
 */

import { type BigIntStats, lstatSync, readlinkSync } from "node:fs";
import { asByteString, type ByteString, byteStringToPath } from "../../domain/byte-string.ts";
import type { Entry } from "../../domain/entry.ts";
import { BackupError, reasonText } from "../../domain/error.ts";
import { isLiveSidecar } from "../capture/live-sidecar.ts";
import { isRestoreLeftover } from "../swap/staging-names.ts";
import {
  absolutePath,
  displayEntryPath,
  entryName,
  joinEntryPath,
  parentEntryPath,
} from "../tree/entry-path.ts";
import { cacheTagName, isCacheDirectory } from "./cache-tag.ts";
import { isLargeDirectory, type NameSource, namesFromSorted, readNames } from "./directory-names.ts";
import { type PathRules, pathRules } from "./exclude-rules.ts";
import type { EntryBatch, ReportProblem, WalkOptions } from "./walk-folder.ts";

/** What a step came to: one name looked at, the end, or a directory so large that the caller reads it. */
export type WalkStep = "entry" | "end" | { readonly largeDirectory: ByteString };

interface Level {
  readonly path: ByteString;
  readonly directory: ByteString;
  readonly names: NameSource;
  /** Names in this directory that are left out; undefined in nearly all. */
  readonly skip: ReadonlySet<ByteString> | undefined;
}

interface KnownFile {
  readonly path: ByteString;
  /** Names not met yet, wherever they are; the file is forgotten when all were. */
  namesLeft: number;
}

// Octal type bits of a mode, inode(7).
const typeMask = 0o170000;
const directoryType = 0o040000;
const fileType = 0o100000;
const linkType = 0o120000;
const specialTypes: ReadonlyMap<number, string> = new Map([
  [0o010000, "a named pipe"],
  [0o140000, "a socket"],
  [0o020000, "a character device"],
  [0o060000, "a block device"],
]);

const noNames: NameSource = namesFromSorted([]);

export class FolderWalk {
  readonly rootEntry: Entry;
  readonly #options: WalkOptions;
  readonly #report: ReportProblem;
  readonly #excluded: PathRules | undefined;
  readonly #skip: ReadonlyMap<ByteString, ReadonlySet<ByteString>>;
  readonly #knownFiles = new Map<string, KnownFile>();
  readonly #levels: Level[] = [];
  readonly #device: bigint;
  /** The directory whose names come next. */
  #entering: { readonly path: ByteString; readonly directory: ByteString };

  /** @param directory Real absolute path of the root. */
  constructor(options: WalkOptions, directory: ByteString, report: ReportProblem) {
    this.#options = options;
    this.#report = report;
    this.#excluded = pathRules(options.excludes);
    this.#skip = namesByDirectory(options.skip);
    this.#entering = { path: asByteString(""), directory };
    const stats = lstatOf(directory);
    if (stats === undefined) {
      throw new BackupError("source-unavailable", `Cannot read folder ${options.root.path}: it vanished`);
    }
    this.#device = stats.dev;
    this.rootEntry = this.#directoryEntry(asByteString(""), stats);
  }

  /** Goes into the directory announced last. Names that could not be read count as none. */
  enter(names: NameSource | undefined): void {
    const { path, directory } = this.#entering;
    const keepsTagOnly = this.#options.excludeCaches && isCacheDirectory(directory);
    this.#levels.push({
      path,
      directory,
      names: keepsTagOnly ? namesFromSorted([cacheTagName]) : (names ?? noNames),
      skip: this.#skip.get(directory),
    });
  }

  /** Looks at the next name and appends what it is to `batch`. */
  step(batch: EntryBatch): WalkStep {
    const level = this.#levels.at(-1);
    if (level === undefined) return "end";
    const name = level.names.next();
    if (name === undefined) {
      this.#levels.pop();
      return "entry";
    }
    if (level.skip?.has(name) || isRestoreLeftover(name)) return "entry";
    const path = joinEntryPath(level.path, name);
    const absolute = absolutePath(level.directory, name);
    const stats = this.#look(path, absolute);
    return stats === undefined ? "entry" : this.#describe(batch, { path, absolute, stats });
  }

  /** Reports that the directory announced last cannot be read. */
  reportUnreadable(error: unknown): void {
    const { path } = this.#entering;
    if (isGone(error)) this.#problem("vanished", path, "Deleted while the folder was walked");
    else this.#problem("unreadable", path, `Cannot read: ${reasonText(error)}`);
  }

  #describe(batch: EntryBatch, found: Found): WalkStep {
    const type = Number(found.stats.mode) & typeMask;
    if (this.#excluded?.(found.path, type === directoryType)) return "entry";
    if (type === fileType) batch.push(this.#fileEntry(found));
    else if (type === directoryType) return this.#describeDirectory(batch, found);
    else if (type === linkType) this.#describeLink(batch, found);
    else this.#problem("special-file", found.path, `Left out: ${specialTypes.get(type) ?? "not a file"}`);
    return "entry";
  }

  #describeDirectory(batch: EntryBatch, { path, absolute, stats }: Found): WalkStep {
    batch.push(this.#directoryEntry(path, stats));
    // Files are not compared: on overlay file systems their device differs from their folder's.
    if (this.#options.oneFileSystem && stats.dev !== this.#device) return "entry";
    this.#entering = { path, directory: absolute };
    if (isLargeDirectory(Number(stats.size))) return { largeDirectory: absolute };
    try {
      this.enter(readNames(absolute));
    } catch (error) {
      this.reportUnreadable(error);
    }
    return "entry";
  }

  #describeLink(batch: EntryBatch, { path, absolute, stats }: Found): void {
    try {
      const linkTarget = asByteString(readlinkSync(byteStringToPath(absolute), { encoding: "latin1" }));
      batch.push({ ...this.#attributes(path, stats, "symlink"), sizeBytes: 0, linkTarget });
    } catch (error) {
      if (isGone(error)) this.#problem("vanished", path, "Deleted while the folder was walked");
      else this.#problem("unreadable", path, `Cannot read link: ${reasonText(error)}`);
    }
  }

  #fileEntry({ path, absolute, stats }: Found): Entry {
    if (stats.nlink > 1n) {
      const first = this.#firstName(path, stats);
      if (first !== undefined) {
        return { ...this.#attributes(path, stats, "file"), sizeBytes: 0, hardLinkTo: first };
      }
    }
    return {
      root: this.#options.root.name,
      path,
      kind: "file",
      mode: Number(stats.mode) & 0o7777,
      uid: Number(stats.uid),
      gid: Number(stats.gid),
      mtimeNs: stats.mtimeNs,
      ctimeNs: stats.ctimeNs,
      inode: stats.ino,
      deviceId: stats.dev,
      links: Number(stats.nlink),
      sizeBytes: Number(stats.size),
      content: { from: "path", path: absolute },
    };
  }

  #directoryEntry(path: ByteString, stats: BigIntStats): Entry {
    return { ...this.#attributes(path, stats, "directory"), sizeBytes: 0 };
  }

  #attributes(path: ByteString, stats: BigIntStats, kind: Entry["kind"]): Omit<Entry, "sizeBytes"> {
    return {
      root: this.#options.root.name,
      path,
      kind,
      mode: Number(stats.mode) & 0o7777,
      uid: Number(stats.uid),
      gid: Number(stats.gid),
      mtimeNs: stats.mtimeNs,
      ctimeNs: stats.ctimeNs,
      inode: stats.ino,
      deviceId: stats.dev,
      links: Number(stats.nlink),
    };
  }

  /** The path under which this file came before, if it did. */
  #firstName(path: ByteString, stats: BigIntStats): ByteString | undefined {
    const key = `${stats.dev}:${stats.ino}`;
    const known = this.#knownFiles.get(key);
    if (known === undefined) {
      this.#knownFiles.set(key, { path, namesLeft: Number(stats.nlink) - 1 });
      return undefined;
    }
    known.namesLeft--;
    if (known.namesLeft === 0) this.#knownFiles.delete(key);
    return known.path;
  }

  #look(path: ByteString, absolute: ByteString): BigIntStats | undefined {
    try {
      const stats = lstatOf(absolute);
      if (stats === undefined && !this.#isSidecarOfLiveDatabase(path, absolute)) {
        this.#problem("vanished", path, "Deleted while the folder was walked");
      }
      return stats;
    } catch (error) {
      this.#problem("unreadable", path, `Cannot read: ${reasonText(error)}`);
      return undefined;
    }
  }

  /** A database at work makes and deletes its journal with every commit; that is nothing to report. */
  #isSidecarOfLiveDatabase(path: ByteString, absolute: ByteString): boolean {
    return isLiveSidecar(entryName(path), parentEntryPath(absolute));
  }

  #problem(kind: "vanished" | "unreadable" | "special-file", path: ByteString, message: string): void {
    this.#report({ kind, path: displayEntryPath(this.#options.root.name, path), message });
  }
}

interface Found {
  readonly path: ByteString;
  readonly absolute: ByteString;
  readonly stats: BigIntStats;
}

const lstatOptions = { bigint: true, throwIfNoEntry: false } as const;

function lstatOf(path: ByteString): BigIntStats | undefined {
  return lstatSync(byteStringToPath(path), lstatOptions);
}

function isGone(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  // EINVAL and ENOTDIR: something else took its name meanwhile.
  return code === "ENOENT" || code === "ENOTDIR" || code === "EINVAL";
}

function namesByDirectory(paths: ReadonlySet<ByteString>): Map<ByteString, Set<ByteString>> {
  const directories = new Map<ByteString, Set<ByteString>>();
  for (const path of paths) {
    const directory = asByteString(parentEntryPath(path) || "/");
    const names = directories.get(directory) ?? new Set();
    directories.set(directory, names.add(entryName(path)));
  }
  return directories;
}
