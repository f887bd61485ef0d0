/**
 * Reads members that lie one after the other in an archive and decodes several at
 * once, ahead of the one being used.
 *
 * @module
 */

import { BackupError, isBackupError } from "../../../domain/error.ts";
import { BufferPool } from "../../../encode/buffer-pool.ts";
import { decodeMember, memberBytesMax, memberRawBytesMax } from "../../../encode/gzip-member.ts";
import { Permits } from "../../../encode/permits.ts";
import type { RunMember } from "../../../format/archive/contents-line.ts";
import type { Storage } from "../../../storage/storage.ts";
import { ByteFeed } from "./byte-feed.ts";

/** Members read and decoded ahead: 2 MiB each, and enough for every thread. */
const aheadMax = 6;
/** One of libuv's threads (4 unless set otherwise) stays free for reading. */
const inflationsMax = 3;

/** Raw bytes of a member, valid until `release`. */
export interface DecodedMember {
  readonly raw: Uint8Array;
  release(): void;
}

/** Buffers and threads that the streams of one reader share. */
export class MemberDecoder {
  readonly #stored = new BufferPool(memberBytesMax);
  readonly #raw = new BufferPool(memberRawBytesMax);
  readonly #inflations = new Permits(inflationsMax);

  /** A buffer for the bytes of a member; `decode` takes it back. */
  takeStored(): Buffer {
    return this.#stored.take();
  }

  /** Gives back a buffer that was not decoded. */
  giveStored(stored: Buffer): void {
    this.#stored.give(stored);
  }

  /** Decodes what lies at the start of `stored`. @throws {BackupError} `damaged` */
  async decode(stored: Buffer, member: RunMember): Promise<DecodedMember> {
    const target = this.#raw.take();
    const release = (): void => this.#raw.give(target);
    try {
      const bytes = stored.subarray(0, member.storedBytes);
      const raw = await this.#inflations.run(() => decodeMember(bytes, member.rawBytes, target));
      return { raw, release };
    } catch (error) {
      release();
      throw error;
    } finally {
      this.#stored.give(stored);
    }
  }
}

export interface MemberStreamOptions {
  readonly storage: Pick<Storage, "get">;
  readonly name: string;
  readonly decoder: MemberDecoder;
  /** Where the first of `members` starts. */
  readonly offset: number;
  readonly members: readonly RunMember[];
}

/** The members in order. Dispose it when not read to the end. */
export class MemberStream implements AsyncDisposable {
  readonly #options: MemberStreamOptions;
  readonly #signal: AbortSignal;
  readonly #stop = new AbortController();
  readonly #ahead: Promise<DecodedMember>[] = [];
  readonly #pump: Promise<void>;
  #wake: (() => void)[] = [];
  #failure: { readonly error: unknown } | undefined;

  constructor(options: MemberStreamOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = AbortSignal.any([signal, this.#stop.signal]);
    this.#pump = this.#run().catch((error: unknown) => {
      this.#failure = { error };
      this.#signalAll();
    });
  }

  /**
   * The next member; may not be called more often than there are members.
   *
   * @throws {BackupError} `damaged` for this member alone, when more can follow; or whatever ended the reading
   */
  async next(): Promise<DecodedMember> {
    while (this.#ahead.length === 0) {
      if (this.#failure !== undefined) throw this.#failure.error;
      await this.#change();
    }
    const member = this.#ahead.shift()!;
    this.#signalAll();
    return member;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new DOMException("Nothing more is wanted", "AbortError"));
    this.#signalAll();
    await this.#pump;
    for (const member of this.#ahead.splice(0))
      await member.then((decoded) => decoded.release()).catch(() => undefined);
  }

  async #run(): Promise<void> {
    const { storage, name, decoder, offset, members } = this.#options;
    const length = members.reduce((sum, member) => sum + member.storedBytes, 0);
    if (length === 0) return;
    await using feed = new ByteFeed(storage.get(name, { offset, length }, this.#signal), name);
    for (const member of members) {
      while (this.#ahead.length >= aheadMax && !this.#signal.aborted) await this.#change();
      this.#signal.throwIfAborted();
      const stored = decoder.takeStored();
      await feed.take(member.storedBytes, stored);
      const decoded = decoder.decode(stored, member).catch((error: unknown) => {
        throw named(error, name);
      });
      // It may be awaited long after it failed.
      decoded.catch(() => undefined);
      this.#ahead.push(decoded);
      this.#signalAll();
    }
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#wake.push(resolve));
  }

  #signalAll(): void {
    const waiting = this.#wake;
    this.#wake = [];
    for (const resolve of waiting) resolve();
  }
}

function named(error: unknown, name: string): unknown {
  if (!isBackupError(error, "damaged")) return error;
  return new BackupError("damaged", `Cannot read ${name}: a member of it is damaged`, { cause: error });
}
