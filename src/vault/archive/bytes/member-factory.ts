/**
 * Turns raw bytes into gzip members: decides whether compressing pays, keeps a
 * bounded number of compressions running, and owns the buffers they use.
 *
 * @module
 */

import { isBackupError } from "../../../domain/error.ts";
import { BufferPool } from "../../../encode/buffer-pool.ts";
import { looksCompressible } from "../../../encode/compressibility.ts";
import { DeflateThreads } from "../../../encode/deflate-threads.ts";
import type { EncodedMember } from "../../../encode/gzip-member.ts";
import {
  deflateMember,
  deflateMemberSync,
  memberBytesMax,
  memberRawBytesMax,
  storedMemberBytes,
  storeMember,
} from "../../../encode/gzip-member.ts";
import { Permits } from "../../../encode/permits.ts";

/**
 * Compressions at the same time. One thread of libuv's pool (4 unless set otherwise)
 * stays free for reading: with all taken, each file waits 15 ms behind a compression.
 */
const compressionsMax = 3;

/**
 * About gzip's own default of 6 in size: Node's zlib makes at 5 what gzip makes at 6 within 2 %
 * (`npm run bench` says how much), in two thirds of the time its own 6 takes.
 */
const zlibLevel = 5;
/** So many members of each kind are made without threads, whose start a small backup would not repay. */
const membersBeforeThreads = 8;

/** What is known of the bytes: `auto` looks at them. */
export type MemberMethod = "auto" | "deflate" | "store";

/** An encoded member whose bytes are valid until `release`. */
export interface MadeMember extends EncodedMember {
  release(): void;
}

/** What makes members in threads. */
export type MemberThreads = Pick<DeflateThreads, "make" | typeof Symbol.asyncDispose>;

const zeros = Buffer.alloc(memberRawBytesMax);

/** Makes members. Raw buffers come from `takeRaw` and go back by themselves. To be closed when all are made. */
export class MemberFactory {
  readonly #level: number | undefined;
  readonly #raw: BufferPool;
  readonly #encoded: BufferPool;
  #zeroMember: EncodedMember | undefined;
  readonly #compressions = new Permits(compressionsMax);
  readonly #threadJobs = new Permits(DeflateThreads.jobsMax);
  readonly #startThreads: () => MemberThreads;
  #threads: MemberThreads | undefined;
  /** The processor lacks what they need, or there may be no more of them: zlib does it all then. */
  #withoutThreads = false;
  #compressed = 0;
  #stored = 0;

  /**
   * `level` is zlib's; when undefined our own deflate takes the most of it, in threads.
   * `rawBytesMax` bounds the members it makes, and so the buffers it keeps. `startThreads` is for tests.
   */
  constructor(
    level: number | undefined,
    rawBytesMax: number = memberRawBytesMax,
    startThreads: () => MemberThreads = () => new DeflateThreads(),
  ) {
    this.#level = level;
    this.#startThreads = startThreads;
    this.#raw = new BufferPool(rawBytesMax);
    this.#encoded = new BufferPool(storedMemberBytes(rawBytesMax));
  }

  /** A buffer to fill. */
  takeRaw(): Buffer {
    return this.#raw.take();
  }

  /** Gives back a raw buffer that was not handed to `make`. */
  giveRaw(raw: Buffer): void {
    this.#raw.give(raw);
  }

  /** Encodes the bytes of `raw` up to `end`, which is the factory's from now on. `auto` judges those from `dataAt` on. */
  async make(raw: Buffer, end: number, method: MemberMethod, dataAt = 0): Promise<MadeMember> {
    const bytes = raw.subarray(0, end);
    // Long runs of zeros, as sparse files read, would cost as much as any other data.
    const zero = end === memberRawBytesMax && bytes.equals(zeros);
    const store =
      !zero &&
      (method === "store" || (method === "auto" && looksCompressible(bytes.subarray(dataAt)) === false));
    if (!zero && this.#isForThread(store)) {
      const method = store ? "store" : "deflate";
      const made = await this.#threadJobs.run(() => this.#makeInThread(raw, end, method));
      if (made !== undefined) return made;
    }
    try {
      if (zero) return this.makeZeros(end);
      const target = this.#encoded.take();
      const member = store
        ? storeMember(bytes, target)
        : await this.#compressions.run(() => deflateMember(bytes, this.#level ?? zlibLevel, target));
      return { ...member, release: () => this.#encoded.give(target) };
    } finally {
      this.#raw.give(raw);
    }
  }

  /** Ends the threads, if any, after what they have in work. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#threads?.[Symbol.asyncDispose]();
  }

  /** Depends on the member's place only, so that the same folder gives the same bytes wherever threads work. */
  #isForThread(store: boolean): boolean {
    if (this.#level !== undefined || this.#withoutThreads) return false;
    return (store ? this.#stored++ : this.#compressed++) >= membersBeforeThreads;
  }

  /** Undefined where there can be no threads; `raw` is untouched then. */
  async #makeInThread(
    raw: Buffer,
    rawBytes: number,
    method: "deflate" | "store",
  ): Promise<MadeMember | undefined> {
    if (this.#withoutThreads) return undefined;
    const target = this.#encoded.take();
    try {
      this.#threads ??= this.#startThreads();
      const made = await this.#threads.make({ raw, rawBytes, target }, method);
      this.#raw.give(made.raw);
      return { ...made.member, release: () => this.#encoded.give(made.target) };
    } catch (error) {
      if (!isBackupError(error, "unsupported")) throw error;
      this.#withoutThreads = true;
      this.#encoded.give(target);
      return undefined;
    }
  }

  /** A member of nothing but zeros. */
  makeZeros(rawBytes: number): MadeMember {
    if (rawBytes !== memberRawBytesMax) {
      const target = Buffer.allocUnsafe(memberBytesMax);
      return { ...deflateMemberSync(zeros.subarray(0, rawBytes), this.#level ?? zlibLevel, target), release };
    }
    this.#zeroMember ??= deflateMemberSync(
      zeros,
      this.#level ?? zlibLevel,
      Buffer.allocUnsafe(memberBytesMax),
    );
    return { ...this.#zeroMember, release };
  }

  /** A buffer for a member that is copied as it is, and how to give it back. */
  takeEncoded(): { readonly bytes: Buffer; readonly release: () => void } {
    const bytes = this.#encoded.take();
    return { bytes, release: () => this.#encoded.give(bytes) };
  }
}

/** Cached and small members belong to the garbage collector. */
function release(): void {}
