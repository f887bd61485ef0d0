/**
 * The threads that store files: starts them, hands out work, takes their packs.
 * Once anything fails, everything fails: a blob that one thread claimed and did not
 * store would be missing from what the others stored.
 *
 * @module
 */

import { readdir, rm } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { basename, dirname, extname, join } from "node:path";
import { MessageChannel, type MessagePort, Worker } from "node:worker_threads";
import { BackupError, errorText } from "../../../domain/error.ts";
import type { Repository } from "../repository.ts";
import { packBytes } from "./pack-builder.ts";
import type { StorablePack } from "./pack-uploads.ts";
import type { SharedBlobSet } from "./shared-blob-set.ts";
import { stagingPrefix } from "./staged-file.ts";
import {
  abortedAt,
  bytesReadAt,
  controlBytes,
  type FromStoreWorker,
  permitsAt,
  type StoreResult,
  type StoreWork,
  type StoreWorkerData,
  type ToStoreWorker,
} from "./store-messages.ts";

/** Each holds up to 60 MB: two packs, the bytes being cut, a heap. */
const threadsMax = 4;
/** Given to a thread at once: while it is at one, the next lies ready. */
const workPerThread = 2;
/** Waiting for a thread, for each thread: enough that none is ever idle. */
const queuedPerThread = 4;
/** Packs on their way into the storage: hides its latency, and bounds what waits in memory. */
const packsInFlight = 3;
/** As many where they are files: each takes a thread of the system's pool for as long as the disk takes. */
const filesInFlight = 4;
/** Most of what a thread makes lies outside its heap and is freed by hand. MiB. */
const youngHeapMiB = 2;

export interface StorePoolOptions {
  readonly repo: Pick<Repository, "key" | "config" | "storage" | "machine">;
  readonly level: number;
  readonly known: SharedBlobSet;
  /** Stores a pack; its buffer is used again afterwards. */
  readonly putPack: (pack: StorablePack) => Promise<void>;
  readonly onFailure: (error: unknown) => void;
}

interface Job {
  readonly work: StoreWork;
  readonly resolve: (result: StoreResult) => void;
  readonly reject: (error: unknown) => void;
}

interface Thread {
  readonly worker: Worker;
  readonly buffers: MessagePort;
  readonly running: Map<number, Job>;
  onFlushed: (() => void) | undefined;
}

export class StorePool {
  readonly #options: StorePoolOptions;
  readonly #control = new SharedArrayBuffer(controlBytes);
  readonly #words = new Int32Array(this.#control);
  readonly #threads: readonly Thread[];
  readonly #queue: Job[] = [];
  /** Before the rest of the queue: what others wait for. */
  readonly #urgent: Job[] = [];
  #waiting: (() => void)[] = [];
  #rejectFlush: ((error: unknown) => void) | undefined;
  #failure: { readonly error: unknown } | undefined;
  /** Where threads write packs for the storage to take over: nothing of them stays in memory. */
  readonly #stagingPrefix: string | undefined;
  #stopped = false;
  #nextId = 0;

  constructor(options: StorePoolOptions) {
    this.#options = options;
    this.#stagingPrefix = stagingPrefix(options.repo);
    this.#words[permitsAt] = this.#stagingPrefix === undefined ? packsInFlight : filesInFlight;
    const count = Math.min(threadsMax, availableParallelism());
    this.#threads = Array.from({ length: count }, (_, index) => this.#start(index));
  }

  /** Bytes of files read so far. */
  get bytesRead(): number {
    return Number(Atomics.load(new BigInt64Array(this.#control), bytesReadAt));
  }

  /** Work for one thread. `urgent` work goes before what is queued already. */
  run(work: StoreWork, options: { readonly urgent?: boolean } = {}): Promise<StoreResult> {
    const { promise, resolve, reject } = Promise.withResolvers<StoreResult>();
    if (this.#failure !== undefined) reject(this.#failure.error);
    else {
      const job: Job = { work, resolve, reject };
      (options.urgent === true ? this.#urgent : this.#queue).push(job);
      this.#handOut();
    }
    return promise;
  }

  /** Returns when more work may be queued. */
  async room(): Promise<void> {
    while (this.#failure === undefined && this.#isFull()) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Has every thread hand over what it has. Call when all work is done. */
  async flush(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure.error;
    const { promise: failed, reject } = Promise.withResolvers<never>();
    this.#rejectFlush = reject;
    const flushed = this.#threads.map((thread) => {
      return new Promise<void>((resolve) => {
        thread.onFlushed = resolve;
        tell(thread, { kind: "flush" });
      });
    });
    await Promise.race([Promise.all(flushed), failed]);
  }

  /** Ends the threads, whatever they are at. */
  async stop(error: unknown): Promise<void> {
    this.#fail(error);
    this.#stopped = true;
    await Promise.all(
      this.#threads.map(async ({ worker, buffers }) => {
        buffers.close();
        await worker.terminate();
      }),
    );
    await this.#removeStaged();
  }

  /** What threads wrote and nobody took over; a run that is killed leaves it to be cleaned by its name (I8). */
  async #removeStaged(): Promise<void> {
    if (this.#stagingPrefix === undefined) return;
    const [directory, prefix] = [dirname(this.#stagingPrefix), basename(this.#stagingPrefix)];
    const names = await readdir(directory).catch(() => []);
    for (const name of names.filter((one) => one.startsWith(prefix))) {
      // On a disk that fails this fails too, and must not be what the run ends with.
      await rm(join(directory, name), { force: true }).catch(() => undefined);
    }
  }

  #isFull(): boolean {
    return this.#queue.length >= this.#threads.length * queuedPerThread;
  }

  #start(index: number): Thread {
    const { repo, level, known } = this.#options;
    const channel = new MessageChannel();
    const workerData: StoreWorkerData = {
      key: repo.key,
      chunkerPolynomial: repo.config.chunkerPolynomial,
      version: repo.config.version,
      level,
      known: known.parts,
      control: this.#control,
      buffers: channel.port2,
      stagingPrefix: this.#stagingPrefix && `${this.#stagingPrefix}${index}`,
    };
    // In development this file is TypeScript, when published JavaScript; the worker is its sibling.
    const worker = new Worker(new URL(`./store-worker${extname(import.meta.url)}`, import.meta.url), {
      workerData,
      transferList: [channel.port2],
      // Nothing of ours is for it to see.
      env: {},
      execArgv: [],
      resourceLimits: { maxYoungGenerationSizeMb: youngHeapMiB },
    });
    const thread: Thread = { worker, buffers: channel.port1, running: new Map(), onFlushed: undefined };
    worker.on("message", (message: FromStoreWorker) => this.#hear(thread, message));
    worker.on("error", (error) => this.#fail(broken(errorText(error), error)));
    worker.on("exit", () => {
      if (!this.#stopped) this.#fail(broken("its thread ended", undefined));
    });
    return thread;
  }

  #hear(thread: Thread, message: FromStoreWorker): void {
    if (this.#failure !== undefined) return;
    switch (message.kind) {
      case "done":
        thread.running.get(message.id)?.resolve(message.result);
        thread.running.delete(message.id);
        this.#handOut();
        return;
      case "pack":
        void this.#takePack(thread, message);
        return;
      case "flushed":
        thread.onFlushed?.();
        return;
      case "failed":
        this.#fail(new BackupError(message.errorKind, message.message));
    }
  }

  async #takePack(thread: Thread, message: FromStoreWorker & { kind: "pack" }): Promise<void> {
    const { id, blobs, content } = message;
    const isFile = "preparedFile" in content;
    try {
      const stored = isFile ? content : new Uint8Array(content.buffer, 0, content.length);
      await this.#options.putPack({ id, blobs, content: stored });
    } catch (error) {
      this.#fail(error);
      return;
    }
    if (!isFile && content.buffer.byteLength === packBytes) {
      thread.buffers.postMessage(content.buffer, [content.buffer]);
    }
    Atomics.add(this.#words, permitsAt, 1);
    Atomics.notify(this.#words, permitsAt);
  }

  #handOut(): void {
    while (this.#queue.length + this.#urgent.length > 0) {
      const thread = this.#threads.reduce((a, b) => (b.running.size < a.running.size ? b : a));
      if (thread.running.size >= workPerThread) break;
      const job = this.#urgent.shift() ?? this.#queue.shift();
      if (job === undefined) break;
      const id = this.#nextId++;
      thread.running.set(id, job);
      tell(thread, { kind: "work", id, work: job.work });
    }
    if (!this.#isFull()) this.#wake();
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  #fail(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = { error };
    Atomics.store(this.#words, abortedAt, 1);
    // Those that wait for a permit look again.
    Atomics.notify(this.#words, permitsAt);
    const jobs = [
      ...this.#threads.flatMap(({ running }) => [...running.values()]),
      ...this.#urgent,
      ...this.#queue,
    ];
    for (const job of jobs) job.reject(error);
    this.#queue.length = 0;
    this.#urgent.length = 0;
    this.#rejectFlush?.(error);
    this.#wake();
    this.#options.onFailure(error);
  }
}

function tell(thread: Thread, message: ToStoreWorker): void {
  thread.worker.postMessage(message);
}

function broken(state: string, cause: unknown): BackupError {
  return new BackupError("bug", `Cannot store files: ${state}`, { cause });
}
