/**
 * Writes the entries of a backup into a fresh private folder, aside from where
 * they belong; the swap moves them there later (I4). Entries are untrusted: a
 * path is written only below directories this writer made itself, so nothing is
 * ever written through a link.
 *
 * @module
 */

import {
  closeSync,
  constants,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  symlinkSync,
} from "node:fs";
import {
  asByteString,
  type ByteString,
  byteStringFromText,
  byteStringToPath,
} from "../../domain/byte-string.ts";
import type { EntryAttributes, StoredEntry } from "../../domain/entry.ts";
import { BackupError, errorText, isAbort } from "../../domain/error.ts";
import { Breather } from "../folder/breather.ts";
import { absolutePath, displayEntryPath, parentEntryPath } from "./entry-path.ts";
import { type ShortPath, shortPath } from "./short-path.ts";
import { checkEntryPath, checkLinkTarget, linkLeadsOutside } from "./safe-path.ts";
import { SparseWriter } from "./sparse-writer.ts";
import {
  type OwnerPolicy,
  ownerPolicy,
  restoreDirectoryAttributes,
  restoreFileAttributes,
  restoreLinkAttributes,
} from "./tree-attributes.ts";

export interface TreeWriterOptions {
  /**
   * - `own`: verified backups of this program; links may lead anywhere, as they did
   * - `foreign`: other archives; links that lead outside are refused, set-id bits dropped
   */
  readonly trust: "own" | "foreign";
  /** Refuses to write more than this: a small archive can hold any amount of zeros. */
  readonly maxTotalBytes: number;
  /** Refuses longer paths in the folder: where they are moved to, nobody could name them. As long as can be named here when left out. */
  readonly pathBytesMax?: number;
}

export interface TreeReport {
  readonly files: number;
  readonly directories: number;
  readonly symlinks: number;
  /** Bytes of content, holes included. */
  readonly bytes: number;
  /** Entries whose owner could not be put back, because only root can or the file system has none. */
  readonly ownersNotRestored: number;
}

/** O_EXCL and O_NOFOLLOW: whatever is there already was not written by this program. */
const createFlags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/** Nobody else looks in before everything is in place. */
const stagingMode = 0o700;

/** What directories get that are not entries themselves but hold some. */
const impliedMode = 0o755;

/**
 * A writer of one root into `stagingDirectory`, which must be an empty directory of this
 * user that nobody else can write to.
 *
 * @throws {BackupError} `invalid-input` if it is not
 */
export function openTreeWriter(stagingDirectory: string, options: TreeWriterOptions): TreeWriter {
  using short = shortPath(byteStringFromText(stagingDirectory));
  const path = byteStringToPath(short.path);
  const stats = lstatSync(path, { throwIfNoEntry: false });
  const state = stagingFault(path, stats?.isDirectory() ?? false, stats?.mode ?? 0);
  if (state !== undefined) {
    throw new BackupError("invalid-input", `Cannot restore into ${stagingDirectory}: ${state}`);
  }
  return new TreeWriter(stagingDirectory, options, stats?.gid ?? -1);
}

function stagingFault(path: string | Buffer, isDirectory: boolean, mode: number): string | undefined {
  if (!isDirectory) return "not a directory";
  if ((mode & 0o022) !== 0) return "others may write to it";
  return readdirSync(path).length > 0 ? "not empty" : undefined;
}

export class TreeWriter {
  readonly #base: ByteString;
  readonly #options: TreeWriterOptions;
  readonly #policy: OwnerPolicy;
  readonly #breather = new Breather();
  /** Every directory made here, parents first, with what it gets in the end. */
  readonly #directories = new Map<ByteString, EntryAttributes | undefined>([[asByteString(""), undefined]]);
  readonly #report = { files: 0, directories: 0, symlinks: 0, bytes: 0, ownersNotRestored: 0 };

  /** Made by {@link openTreeWriter}. */
  constructor(stagingDirectory: string, options: TreeWriterOptions, gid: number) {
    this.#base = byteStringFromText(stagingDirectory);
    this.#options = options;
    this.#policy = ownerPolicy(options.trust === "foreign", gid);
  }

  /**
   * Writes one entry. Directories usually come before what is in them; missing ones are
   * made. A further name of a file comes after the first; where that one is not restored,
   * give the content instead and it becomes a file of its own. Not durable on return.
   *
   * @throws {BackupError} `unsafe` for paths, links and sizes an honest archive does not have,
   *   and for a name that comes twice; `damaged` if the content has another size than the entry says;
   *   `not-found` for a further name of a file that was not restored; `no-space`; `storage-unavailable`
   */
  async write(
    entry: StoredEntry,
    content: AsyncIterable<Uint8Array> | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    signal.throwIfAborted();
    if (this.#breather.isDue()) await this.#breather.breathe(signal);
    const isLink = entry.hardLinkTo !== undefined && content === undefined;
    const descriptor = this.#begin(entry, isLink);
    if (descriptor === undefined) return;
    try {
      if (content !== undefined) await this.#writeContent(descriptor, entry, content, signal);
      else if (entry.sizeBytes !== 0) throw wrongSize(entry, 0);
    } catch (error) {
      closeSync(descriptor);
      throw explained(entry, error);
    }
    this.complete(entry, descriptor);
  }

  /**
   * Makes an entry as {@link write} does, but for the bytes of a file: whoever calls it writes those to
   * the descriptor that is returned, no more than the entry says, and ends with `complete`, or closes it.
   */
  begin(entry: StoredEntry): number | undefined {
    return this.#begin(entry, entry.hardLinkTo !== undefined);
  }

  /** Gives a file that {@link begin} made its owner, mode and time, and closes it. */
  complete(entry: StoredEntry, descriptor: number): void {
    try {
      this.#count(restoreFileAttributes(descriptor, entry, this.#policy));
    } catch (error) {
      throw explained(entry, error);
    } finally {
      closeSync(descriptor);
    }
    this.#report.files++;
  }

  /** What the file system said of an entry, in our words. */
  explain(entry: StoredEntry, error: unknown): unknown {
    return explained(entry, error);
  }

  #begin(entry: StoredEntry, isLink: boolean): number | undefined {
    try {
      checkEntryPath(entry.path);
      this.#checkLength(entry);
      if (entry.kind !== "directory") return this.#beginLeaf(entry, isLink);
      this.#writeDirectory(entry);
      return undefined;
    } catch (error) {
      throw explained(entry, error);
    }
  }

  /**
   * Gives directories their owners, modes and times, deepest first, and says what was
   * written. The staging folder itself gets those of the root's entry, if there was one.
   */
  async finish(signal: AbortSignal): Promise<TreeReport> {
    for (const [path, attributes] of [...this.#directories].reverse()) {
      if (this.#breather.isDue()) await this.#breather.breathe(signal);
      if (attributes !== undefined) this.#finishDirectory(path, attributes);
    }
    return { ...this.#report };
  }

  #finishDirectory(path: ByteString, attributes: EntryAttributes): void {
    try {
      using short = this.#shortPath(path);
      this.#count(restoreDirectoryAttributes(byteStringToPath(short.path), attributes, this.#policy));
    } catch (error) {
      throw explained({ root: "", path }, error);
    }
  }

  #checkLength(entry: StoredEntry): void {
    const { pathBytesMax } = this.#options;
    if (pathBytesMax === undefined || entry.path.length <= pathBytesMax) return;
    const state = `in its folder its path has ${entry.path.length} bytes, wanted at most ${pathBytesMax}`;
    throw new BackupError("unsupported", `Cannot restore ${displayOf(entry)}: ${state}`, {
      hint: "Restore into a folder with a shorter path, with --target.",
    });
  }

  #writeDirectory(entry: StoredEntry): void {
    if (!this.#directories.has(entry.path)) this.#makeDirectory(entry.path);
    this.#directories.set(entry.path, entry);
    this.#report.directories++;
  }

  /** Makes a directory, and its parents where no entry has. */
  #makeDirectory(path: ByteString): void {
    const missing = [path];
    for (
      let parent = parentEntryPath(path);
      !this.#directories.has(parent);
      parent = parentEntryPath(parent)
    ) {
      missing.push(parent);
    }
    for (const directory of missing.reverse()) {
      using short = this.#shortPath(directory);
      mkdirSync(byteStringToPath(short.path), { mode: directory === path ? stagingMode : impliedMode });
      this.#directories.set(directory, undefined);
    }
  }

  #beginLeaf(entry: StoredEntry, isLink: boolean): number | undefined {
    if (entry.path === "") throw refusal(entry, "the root of a folder must be a directory");
    const parent = parentEntryPath(entry.path);
    if (!this.#directories.has(parent)) this.#makeDirectory(parent);
    if (entry.kind === "symlink") this.#writeLink(entry);
    else if (isLink && entry.hardLinkTo !== undefined) this.#linkFile(entry, entry.hardLinkTo);
    else return this.#beginFile(entry);
    return undefined;
  }

  #writeLink(entry: StoredEntry): void {
    const target = entry.linkTarget ?? asByteString("");
    checkLinkTarget(entry.path, target);
    if (this.#options.trust === "foreign" && linkLeadsOutside(entry.path, target)) {
      throw refusal(entry, "it is a link that leads out of the folder");
    }
    using short = this.#shortPath(entry.path);
    const path = byteStringToPath(short.path);
    symlinkSync(byteStringToPath(target), path);
    this.#count(restoreLinkAttributes(path, entry, this.#policy));
    this.#report.symlinks++;
  }

  #linkFile(entry: StoredEntry, first: ByteString): void {
    checkEntryPath(first);
    // The parent is a directory made here, so the path to it goes through no link.
    const isHere = this.#directories.has(parentEntryPath(first));
    using source = isHere ? this.#shortPath(first) : undefined;
    const stats = source && lstatSync(byteStringToPath(source.path), { throwIfNoEntry: false });
    if (source === undefined || stats === undefined) {
      const message = `Cannot restore ${displayOf(entry)}: ${displayEntryPath(entry.root, first)}, its other name, is not there`;
      throw new BackupError("not-found", message);
    }
    if (!stats.isFile()) throw refusal(entry, "it is a further name of something that is no file");
    using target = this.#shortPath(entry.path);
    linkSync(byteStringToPath(source.path), byteStringToPath(target.path));
    this.#report.files++;
  }

  #beginFile(entry: StoredEntry): number {
    if (this.#report.bytes + entry.sizeBytes > this.#options.maxTotalBytes) {
      throw refusal(entry, `the files come to more than ${this.#options.maxTotalBytes} bytes`);
    }
    const descriptor = this.#create(entry.path);
    // Now already: others are begun before this one is complete.
    this.#report.bytes += entry.sizeBytes;
    return descriptor;
  }

  async #writeContent(
    descriptor: number,
    entry: StoredEntry,
    content: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<void> {
    const writer = new SparseWriter(descriptor);
    let bytes = 0;
    for await (const chunk of content) {
      signal.throwIfAborted();
      bytes += chunk.length;
      // Before it is written: the entry may lie about its size to get past the bound.
      if (bytes > entry.sizeBytes) throw wrongSize(entry, bytes);
      writer.write(chunk);
      if (this.#breather.isDue()) await this.#breather.breathe(signal);
    }
    if (bytes !== entry.sizeBytes) throw wrongSize(entry, bytes);
    writer.end();
  }

  #count(ownerRestored: boolean): void {
    if (!ownerRestored) this.#report.ownersNotRestored++;
  }

  #create(path: ByteString): number {
    using short = this.#shortPath(path);
    return openSync(byteStringToPath(short.path), createFlags, 0o600);
  }

  /** Staging lies under a longer name than its target, which may be as deep as paths go. */
  #shortPath(path: ByteString): ShortPath {
    return shortPath(absolutePath(this.#base, path));
  }
}

type Named = Pick<StoredEntry, "root" | "path">;

function displayOf(entry: Named): string {
  return displayEntryPath(entry.root, entry.path);
}

function refusal(entry: Named, state: string): BackupError {
  return new BackupError("unsafe", `Cannot restore ${displayOf(entry)}: ${state}`);
}

function wrongSize(entry: StoredEntry, bytes: number): BackupError {
  const state =
    bytes > entry.sizeBytes ? `more than the ${entry.sizeBytes} bytes it should have` : `${bytes} bytes`;
  return new BackupError(
    "damaged",
    `Cannot restore ${displayOf(entry)}: ${state}, wanted ${entry.sizeBytes}`,
  );
}

/** Puts what the file system said into our words. */
function explained(entry: Named, error: unknown): unknown {
  if (error instanceof BackupError || isAbort(error)) return error;
  const { code } = error as { readonly code?: unknown };
  if (typeof code !== "string") return error;
  const cause = { cause: error };
  if (code === "EEXIST") {
    const message = `Cannot restore ${displayOf(entry)}: the name, or one on the way to it, is taken by another entry`;
    return new BackupError("unsafe", message, cause);
  }
  const kind = code === "ENOSPC" || code === "EDQUOT" ? "no-space" : "storage-unavailable";
  return new BackupError(kind, `Cannot restore ${displayOf(entry)}: ${errorText(error)}`, cause);
}
