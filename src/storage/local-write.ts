/**
 * Writes objects of a local storage: into a file whose name says who is writing,
 * in the object's own folder because folders may be separate mounts; synced;
 * then given its final name, and the folder synced (I1).
 *
 * @module
 */

import { randomBytes } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { lstat, open, unlink } from "node:fs/promises";
import { basename } from "node:path";
import type { RunOwner } from "../domain/run-owner.ts";
import { unfinishedName } from "../domain/run-owner.ts";
import { writeFully, writeStream } from "./batched-write.ts";
import { createFlags, fileMode, type LocalCommit, nameTaken } from "./local-commit.ts";
import { type LocalDirectories, parentOf } from "./local-directories.ts";
import { systemCode } from "./local-errors.ts";
import { openRegularFile, readOpenFile } from "./local-read.ts";
import type { PreparedFile, StorageContent } from "./storage.ts";

/** What a writer works with. */
export interface LocalWriterParts {
  readonly directories: LocalDirectories;
  readonly commit: LocalCommit;
  readonly owner: RunOwner;
  readonly syncFile: (handle: FileHandle) => Promise<void>;
}

/** Stores objects; any number at once. */
export class LocalWriter {
  readonly #directories: LocalDirectories;
  readonly #commit: LocalCommit;
  readonly #owner: RunOwner;
  readonly #syncFile: (handle: FileHandle) => Promise<void>;

  constructor(parts: LocalWriterParts) {
    this.#directories = parts.directories;
    this.#commit = parts.commit;
    this.#owner = parts.owner;
    this.#syncFile = parts.syncFile;
  }

  /** As `Storage.put`, but system errors come as they are. */
  async put(name: string, content: StorageContent, signal: AbortSignal): Promise<void> {
    try {
      signal.throwIfAborted();
      await this.#directories.make(parentOf(name));
      await this.#refuseTaken(name);
      if ("preparedFile" in content) await this.#takeOver(name, content, signal);
      else await this.#write(name, content, signal);
    } finally {
      if ("preparedFile" in content) await discard(content.preparedFile);
    }
    await this.#makeNameDurable(name);
  }

  /** Saves the work of writing what cannot be named. The commit decides. */
  async #refuseTaken(name: string): Promise<void> {
    try {
      await lstat(this.#directories.pathOf(name));
    } catch (error) {
      if (systemCode(error) === "ENOENT") return;
      throw error;
    }
    throw nameTaken(name);
  }

  async #write(
    name: string,
    content: Uint8Array | AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<void> {
    const temporary = await this.#create(name);
    try {
      const sizeBytes = await this.#fill(temporary.handle, content, signal);
      signal.throwIfAborted();
      await this.#commit.commit(temporary.path, name, sizeBytes);
    } finally {
      await discard(temporary.path);
    }
  }

  async #fill(
    handle: FileHandle,
    content: Uint8Array | AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<number> {
    try {
      let sizeBytes: number;
      if (content instanceof Uint8Array) {
        await writeFully(handle, content, 0);
        sizeBytes = content.byteLength;
      } else {
        sizeBytes = await writeStream(handle, content, signal);
      }
      signal.throwIfAborted();
      await this.#syncFile(handle);
      return sizeBytes;
    } finally {
      await handle.close();
    }
  }

  async #create(name: string): Promise<{ readonly path: string; readonly handle: FileHandle }> {
    const directory = parentOf(name);
    const temporaryName = unfinishedName(this.#owner, randomBytes(8).toString("hex"));
    const path = this.#directories.pathOf(directory === "" ? temporaryName : `${directory}/${temporaryName}`);
    try {
      return { path, handle: await open(path, createFlags, fileMode) };
    } catch (error) {
      if (systemCode(error) !== "ENOENT" || directory === "") throw error;
    }
    // A long-lived process remembers folders that somebody may have removed since.
    this.#directories.forget();
    await this.#directories.make(directory);
    return { path, handle: await open(path, createFlags, fileMode) };
  }

  async #takeOver(name: string, prepared: PreparedFile, signal: AbortSignal): Promise<void> {
    const path = prepared.preparedFile;
    const file = await openRegularFile(path, `the file prepared as ${name} (${basename(path)})`);
    try {
      await file.handle.chmod(fileMode);
      // I1: durable before anything names it.
      await this.#syncFile(file.handle);
      signal.throwIfAborted();
      try {
        await this.#commit.commit(path, name, file.sizeBytes);
      } catch (error) {
        // The object's folder is a mount of its own.
        if (systemCode(error) !== "EXDEV") throw error;
        await this.#write(name, readOpenFile(file, name, undefined, signal), signal);
      }
    } finally {
      await file.handle.close();
    }
  }

  async #makeNameDurable(name: string): Promise<void> {
    try {
      await this.#directories.sync(parentOf(name));
    } catch (error) {
      // I1: what is not durable must not be listed.
      await discard(this.#directories.pathOf(name));
      throw error;
    }
  }
}

/** Removes a file of ours if it is still there. */
async function discard(path: string): Promise<void> {
  // Where it cannot be removed, a later run cleans it (I8); the outcome of the write is what counts here.
  await unlink(path).catch(() => undefined);
}
