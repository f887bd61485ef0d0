/**
 * One object on its way into the storage, made of members that are compressed
 * at the same time and leave in order. Its SHA-256 is computed as it passes.
 *
 * @module
 */

import { createHash } from "node:crypto";
import type { EncodedMember } from "../../../encode/gzip-member.ts";
import type { Storage } from "../../../storage/storage.ts";
import type { ArchiveObject } from "./archive-writer.ts";

/** Members waiting or being compressed: keeps all of libuv's threads busy and memory at about 2 MiB each. */
const membersInFlightMax = 6;

/** A member that will be ready; `done` is called once its bytes have been taken, with the place where they start. */
export interface OutputMember {
  readonly member: Promise<EncodedMember>;
  readonly done: (member: EncodedMember, offset: number) => void;
}

/** Streams members into one `put`. Callers push one after the other; errors of the `put` surface in every later call. */
export class OutputObject {
  readonly #queue: OutputMember[] = [];
  readonly #hash = createHash("sha256");
  readonly #abort = new AbortController();
  readonly #stored: Promise<void>;
  #sizeBytes = 0;
  #ended = false;
  #failure: { readonly error: unknown } | undefined;
  #wake: (() => void)[] = [];

  constructor(storage: Storage, name: string, signal: AbortSignal) {
    this.#stored = storage.put(name, this.#bytes(), AbortSignal.any([signal, this.#abort.signal]));
    this.#stored.catch((error: unknown) => this.#fail(error));
  }

  /** Bytes taken by the storage so far. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Queues a member without waiting; `room` keeps the queue short. */
  push(output: OutputMember): void {
    output.member.catch((error: unknown) => this.#fail(error));
    this.#queue.push(output);
    this.#signal();
  }

  /** Waits until few members are in flight. @throws whatever ended the `put` */
  async room(): Promise<void> {
    while (this.#failure === undefined && this.#queue.length >= membersInFlightMax) await this.#change();
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Waits until the storage has taken all members, and each was told of. @throws whatever ended the `put` */
  async drained(): Promise<void> {
    while (this.#failure === undefined && this.#queue.length > 0) await this.#change();
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Ends the object; returns when it is durable. Nothing may be pushed afterwards. */
  async finish(): Promise<ArchiveObject> {
    this.#ended = true;
    this.#signal();
    await this.#stored;
    return { sizeBytes: this.#sizeBytes, sha256: this.#hash.digest("hex") };
  }

  /** Ends the `put` without an object. Does nothing where it has ended already. */
  async abort(): Promise<void> {
    const reason = new DOMException("The backup was given up", "AbortError");
    this.#fail(reason);
    this.#abort.abort(reason);
    await this.#stored.catch(() => undefined);
  }

  async *#bytes(): AsyncGenerator<Uint8Array> {
    for (;;) {
      while (this.#queue.length === 0 && !this.#ended && this.#failure === undefined) await this.#change();
      if (this.#failure !== undefined) throw this.#failure.error;
      const output = this.#queue[0];
      if (output === undefined) return;
      const member = await output.member;
      const offset = this.#sizeBytes;
      this.#hash.update(member.bytes);
      this.#sizeBytes += member.bytes.length;
      yield member.bytes;
      this.#queue.shift();
      output.done(member, offset);
      this.#signal();
    }
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#signal();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#wake.push(resolve));
  }

  #signal(): void {
    const waiting = this.#wake;
    this.#wake = [];
    for (const resolve of waiting) resolve();
  }
}
