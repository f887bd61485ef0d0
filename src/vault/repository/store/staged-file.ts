/**
 * Files in a storage's staging directory that packs are written to as they grow, so
 * that no pack lies in memory whole. Their names say whose they are: what a killed run
 * leaves is cleaned by a later one (I8). Storages without such a place have none.
 *
 * @module
 */

import { randomBytes } from "node:crypto";
import { closeSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { unfinishedName } from "../../../domain/run-owner.ts";
import type { PreparedFile } from "../../../storage/storage.ts";
import type { Repository } from "../repository.ts";

/**
 * Written at once. For a write of 2 MiB and more Linux takes pages of 2 MiB into its cache, which a virtual
 * machine first has to get from its host: a pack in one piece took five times as long as in pieces.
 */
const writeBytesMax = 512 * 1024;

/** Beginning of the paths of files nobody else makes; undefined where packs have to lie in memory. */
export function stagingPrefix({
  storage,
  machine,
}: Pick<Repository, "storage" | "machine">): string | undefined {
  const { stagingDirectory } = storage.properties;
  if (stagingDirectory === undefined) return undefined;
  return join(stagingDirectory, unfinishedName(machine.owner, randomBytes(8).toString("hex")));
}

/** Makes the files of one thread. */
export class StagedFiles {
  readonly #prefix: string | undefined;
  readonly #open = new Set<StagedFile>();
  #made = 0;
  #isOver = false;

  /** @param prefix See {@link stagingPrefix}; of nobody else */
  constructor(prefix: string | undefined) {
    this.#prefix = prefix;
  }

  /** A new file; undefined where none can be made, and after {@link discard}. */
  create(): StagedFile | undefined {
    if (this.#prefix === undefined || this.#isOver) return undefined;
    const file = StagedFile.create(`${this.#prefix}-${this.#made++}`, (ended) => this.#open.delete(ended));
    if (file !== undefined) this.#open.add(file);
    return file;
  }

  /** Removes those that were not handed over. */
  discard(): void {
    this.#isOver = true;
    for (const file of this.#open) file.discard();
  }
}

/** One file, written from its start on. */
export class StagedFile {
  readonly #path: string;
  readonly #descriptor: number;
  readonly #onEnd: (file: StagedFile) => void;
  #sizeBytes = 0;
  #isEnded = false;

  private constructor(path: string, descriptor: number, onEnd: (file: StagedFile) => void) {
    this.#path = path;
    this.#descriptor = descriptor;
    this.#onEnd = onEnd;
  }

  /** Undefined where it cannot be made. `onEnd` hears of its end. */
  static create(path: string, onEnd: (file: StagedFile) => void): StagedFile | undefined {
    try {
      return new StagedFile(path, openSync(path, "wx+", 0o600), onEnd);
    } catch {
      return undefined;
    }
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Adds bytes. Where that fails, what was added before is still there for {@link takeBack}. @throws what the system says */
  append(bytes: Uint8Array): void {
    this.#refuseEnded();
    for (let done = 0; done < bytes.length; ) {
      const length = Math.min(writeBytesMax, bytes.length - done);
      done += writeSync(this.#descriptor, bytes, done, length, this.#sizeBytes + done);
    }
    this.#sizeBytes += bytes.length;
  }

  /** Reads all that was added into `target`, and removes the file. @throws what the system says */
  takeBack(target: Uint8Array): void {
    this.#refuseEnded();
    try {
      for (let done = 0; done < this.#sizeBytes; ) {
        const count = readSync(this.#descriptor, target, done, this.#sizeBytes - done, done);
        if (count === 0) throw new RangeError(`File ends at ${done} of ${this.#sizeBytes} bytes`);
        done += count;
      }
    } finally {
      this.discard();
    }
  }

  /** Ends it, for the storage to take over. @throws what the system says; then it is removed */
  handOver(): PreparedFile {
    this.#refuseEnded();
    try {
      this.#close();
    } catch (error) {
      this.#remove();
      throw error;
    }
    return { preparedFile: this.#path };
  }

  /** Removes it, unless it ended before. */
  discard(): void {
    if (this.#isEnded) return;
    try {
      this.#close();
    } catch {
      // What could not be written is not wanted any more.
    }
    this.#remove();
  }

  #close(): void {
    this.#isEnded = true;
    this.#onEnd(this);
    closeSync(this.#descriptor);
  }

  #remove(): void {
    try {
      rmSync(this.#path, { force: true });
    } catch {
      // On a disk that fails this fails too; a later run cleans it.
    }
  }

  /** The number of its descriptor may be another file's by now. */
  #refuseEnded(): void {
    if (this.#isEnded) throw new RangeError("The file was ended");
  }
}
