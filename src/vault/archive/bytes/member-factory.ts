/**
 * Turns raw bytes into gzip members: decides whether compressing pays, keeps a
 * bounded number of compressions running, and owns the buffers they use.
 *
 * @module
 */

import { BufferPool } from "../../../encode/buffer-pool.ts";
import { looksCompressible } from "../../../encode/compressibility.ts";
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

/** What is known of the bytes: `auto` looks at them. */
export type MemberMethod = "auto" | "deflate" | "store";

/** An encoded member whose bytes are valid until `release`. */
export interface MadeMember extends EncodedMember {
  release(): void;
}

const zeros = Buffer.alloc(memberRawBytesMax);

/** Makes members. Raw buffers come from `takeRaw` and go back by themselves. */
export class MemberFactory {
  readonly #level: number;
  readonly #raw: BufferPool;
  readonly #encoded: BufferPool;
  #zeroMember: EncodedMember | undefined;
  readonly #compressions = new Permits(compressionsMax);

  /** `rawBytesMax` bounds the members it makes, and so the buffers it keeps. */
  constructor(level: number, rawBytesMax: number = memberRawBytesMax) {
    this.#level = level;
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
    try {
      // Long runs of zeros, as sparse files read, would cost as much as any other data.
      if (end === memberRawBytesMax && bytes.equals(zeros)) return this.makeZeros(end);
      const store =
        method === "store" || (method === "auto" && looksCompressible(bytes.subarray(dataAt)) === false);
      const target = this.#encoded.take();
      const member = store
        ? storeMember(bytes, target)
        : await this.#compressions.run(() => deflateMember(bytes, this.#level, target));
      return { ...member, release: () => this.#encoded.give(target) };
    } finally {
      this.#raw.give(raw);
    }
  }

  /** A member of nothing but zeros. */
  makeZeros(rawBytes: number): MadeMember {
    if (rawBytes !== memberRawBytesMax) {
      const target = Buffer.allocUnsafe(memberBytesMax);
      return { ...deflateMemberSync(zeros.subarray(0, rawBytes), this.#level, target), release };
    }
    this.#zeroMember ??= deflateMemberSync(zeros, this.#level, Buffer.allocUnsafe(memberBytesMax));
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
