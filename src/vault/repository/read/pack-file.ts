/**
 * Reads a part of a pack that is a file of this machine, piece by piece into the same memory, so that a
 * blob is decoded while it is in the processor's cache. Synchronous, for threads.
 *
 * @module
 */

import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";

/** Where blobs lie in a file. */
export interface PackPart {
  readonly path: string;
  readonly offset: number;
  readonly length: number;
}

/** Memory grows by so much at least, so that it does not for every blob that is larger by some bytes. */
const growthBytes = 1024 * 1024;

/** Read at once: several small blobs, or most of a large one. */
const readBytes = 512 * 1024;

// Whoever can write into the vault folder could plant a link to a secret, or a pipe that never answers.
const readFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** Of this thread, as large as the largest blob was. */
let memory: Buffer = Buffer.alloc(0);

/** An open part. Throws what the file system says where it is no regular file, or cannot be read. */
export class PackFile implements Disposable {
  readonly #part: PackPart;
  readonly #descriptor: number;
  /** What of the part is in memory. */
  #start = 0;
  #end = 0;

  constructor(part: PackPart) {
    this.#part = part;
    this.#descriptor = openSync(part.path, readFlags);
    if (fstatSync(this.#descriptor).isFile()) return;
    closeSync(this.#descriptor);
    throw notAFile(part.path);
  }

  /** Bytes of the part, valid until the next call; fewer where the file ends. */
  slice(offset: number, length: number): Uint8Array {
    if (offset < this.#start || offset + length > this.#end) this.#read(offset, length);
    const end = Math.min(offset + length, this.#end);
    return memory.subarray(offset - this.#start, end - this.#start);
  }

  [Symbol.dispose](): void {
    closeSync(this.#descriptor);
  }

  #read(offset: number, length: number): void {
    const wanted = Math.max(length, Math.min(readBytes, this.#part.length - offset));
    if (memory.length < wanted) memory = enlarged(memory, wanted);
    this.#start = offset;
    this.#end = offset;
    while (this.#end < offset + wanted) {
      const done = this.#end - offset;
      const place = this.#part.offset + this.#end;
      const bytes = readSync(this.#descriptor, memory, done, wanted - done, place);
      if (bytes === 0) return;
      this.#end += bytes;
    }
  }
}

/** The old one is given back now: the collector would see it late. */
function enlarged(old: Buffer, wanted: number): Buffer {
  (old.buffer as ArrayBuffer).transfer(0);
  return Buffer.allocUnsafeSlow(Math.ceil(wanted / growthBytes) * growthBytes);
}

/** Like what the file system says, so that whoever reads the file the other way finds out what is there. */
function notAFile(path: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${path} is no regular file`), { syscall: "open" });
}
