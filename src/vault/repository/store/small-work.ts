/**
 * Work that is too little to start threads for, which takes longer than to do it. It
 * lies until there is more of it than that, or until somebody waits for it.
 *
 * @module
 */

import { lstatSync } from "node:fs";
import { type ByteString, byteStringToPath } from "../../../domain/byte-string.ts";
import type { StoreResult, StoreWork } from "./store-messages.ts";

/** Read and stored in the time that threads take to start. */
const bytesMax = 2 * 1024 * 1024;

/** Opening a file costs as much as so many bytes of it. */
const bytesPerFile = 8 * 1024;

interface Job {
  readonly work: StoreWork;
  readonly resolve: (result: Promise<StoreResult> | StoreResult) => void;
  readonly reject: (error: unknown) => void;
}

export class SmallWork {
  #jobs: Job[] = [];
  #bytes = 0;

  /** Whether work of so many bytes may still be added; all that ever was counts. */
  fits(bytes: number): boolean {
    return this.#bytes + bytes <= bytesMax;
  }

  /** @param bytes Of the files, as they were looked up */
  add(work: StoreWork, bytes: number): Promise<StoreResult> {
    this.#bytes += bytes + (work.kind === "files" ? work.paths.length * bytesPerFile : 0);
    const { promise, resolve, reject } = Promise.withResolvers<StoreResult>();
    this.#jobs.push({ work, resolve, reject });
    return promise;
  }

  /** Has all of it done. */
  end(run: (work: StoreWork) => Promise<StoreResult> | StoreResult): void {
    for (const { work, resolve, reject } of this.#jobs.splice(0)) {
      try {
        resolve(run(work));
      } catch (error) {
        reject(error);
      }
    }
  }

  /** Whether files have grown since beyond what one thread should do at once. */
  get hasGrown(): boolean {
    let bytes = 0;
    for (const { work } of this.#jobs) {
      for (const path of work.kind === "files" ? work.paths : []) bytes += sizeNow(path);
    }
    return bytes > 2 * bytesMax;
  }

  fail(error: unknown): void {
    for (const { reject } of this.#jobs.splice(0)) reject(error);
  }
}

/** 0 for what cannot be looked up: it cannot be read either. */
function sizeNow(path: ByteString): number {
  try {
    return lstatSync(byteStringToPath(path)).size;
  } catch {
    return 0;
  }
}
