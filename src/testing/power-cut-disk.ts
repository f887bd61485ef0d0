/**
 * A real disk whose power fails before the n-th change, and which then may have
 * forgotten every rename that no sync had made durable. Imported by tests only.
 *
 * @module
 */

import { existsSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { posix } from "node:path";
import { type ByteString, byteStringToPath } from "../domain/byte-string.ts";
import { realDisk, type SwapDisk } from "../source/swap/swap-disk.ts";

class PowerCut extends Error {
  override readonly name = "PowerCut";
}

export interface PowerCutOptions {
  /** Number of the change, from 1, that does not happen any more. */
  readonly before: number;
  /** A mistake to build in, so that a sweep can show that it would find it. */
  readonly defect?: "no-sync";
}

interface Rename {
  readonly from: ByteString;
  readonly to: ByteString;
  /** Directories of the two names that were synced since. */
  readonly synced: Set<string>;
}

export class PowerCutDisk implements SwapDisk {
  /** Changes made so far; after a clean run, how many places there are to stop at. */
  changes = 0;
  readonly #options: PowerCutOptions;
  readonly #renames: Rename[] = [];

  constructor(options: PowerCutOptions) {
    this.#options = options;
  }

  /** What a power cut leaves where the file system had nothing but the synced on the disk. */
  forgetUnsynced(): void {
    for (const { from, to, synced } of this.#renames.toReversed()) {
      if (synced.has(posix.dirname(from)) && synced.has(posix.dirname(to))) continue;
      const [old, current] = [byteStringToPath(from), byteStringToPath(to)];
      if (!existsSync(current)) continue;
      // The old name was given to something else, durably: the file has no name left.
      if (existsSync(old)) rmSync(current, { recursive: true });
      else renameSync(current, old);
    }
  }

  exists(path: ByteString): Promise<boolean> {
    return realDisk.exists(path);
  }

  async rename(from: ByteString, to: ByteString): Promise<void> {
    this.#step();
    await realDisk.rename(from, to);
    this.#renames.push({ from, to, synced: new Set() });
  }

  async makeDirectory(path: ByteString): Promise<void> {
    this.#step();
    await realDisk.makeDirectory(path);
  }

  async syncDirectories(paths: ReadonlySet<ByteString>): Promise<void> {
    this.#step();
    if (this.#options.defect === "no-sync") return;
    for (const rename of this.#renames) for (const path of paths) rename.synced.add(path);
  }

  async setAttributes(path: ByteString, attributes: Parameters<SwapDisk["setAttributes"]>[1]): Promise<void> {
    this.#step();
    await realDisk.setAttributes(path, attributes);
  }

  modeOf(path: ByteString): Promise<number | undefined> {
    return realDisk.modeOf(path);
  }

  async setMode(path: ByteString, mode: number): Promise<void> {
    this.#step();
    await realDisk.setMode(path, mode);
  }

  async removeTree(path: ByteString): Promise<void> {
    this.#step();
    await realDisk.removeTree(path);
  }

  async removeEmptyDirectories(path: ByteString): Promise<void> {
    this.#step();
    await realDisk.removeEmptyDirectories(path);
  }

  async writeDurably(path: string, text: string): Promise<void> {
    this.#step();
    // Not synced: whether it survives is decided by the options, and thousands of syncs take minutes.
    writeFileSync(`${path}.tmp`, text);
    renameSync(`${path}.tmp`, path);
  }

  async removeFile(path: string): Promise<void> {
    this.#step();
    rmSync(path, { force: true });
  }

  #step(): void {
    this.changes++;
    if (this.changes >= this.#options.before) throw new PowerCut(`before change ${this.changes}`);
  }
}
