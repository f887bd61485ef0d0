/**
 * Threads that decode blobs, one a processor. They start only when there is work
 * for them, because a thread takes longer to start than a small file to read.
 *
 * @module
 */

import type { Worker } from "node:worker_threads";
import { BackupError, errorText } from "../../../domain/error.ts";
import type { MasterKey } from "../../../format/restic/model.ts";
import {
  type DecodeFailure,
  type DecodeTask,
  decodeBlobs,
  type FileTask,
  ownsBuffer,
} from "./decode-blobs.ts";
import type { InspectedFile, InspectTask } from "./inspect-file.ts";
import { decodingThreads, type SpareWorkers, startBlobWorker } from "./spare-workers.ts";
import { UnwrittenError, type UnwrittenFacts } from "./write-data.ts";

type Task = DecodeTask | FileTask | InspectTask;

/** @internal Between the threads and this file: what a thread is told before anything else. */
export interface FirstToThread {
  readonly key: MasterKey;
}

/** @internal Between the threads and this file. */
export interface ToThread {
  readonly id: number;
  readonly task: Task;
  readonly target: Uint8Array | undefined;
}

/** @internal Between the threads and this file. */
export interface FromThread {
  /** Of no task in the first message, which says that the thread has loaded what it needs. */
  readonly id: number;
  readonly failures: readonly DecodeFailure[] | undefined;
  /** Answers an {@link InspectTask}. */
  readonly whole?: InspectedFile;
  /** The blobs could not be written where they are wanted. */
  readonly unwritten?: UnwrittenFacts;
}

/** Tasks given to a thread at once: while it is at one, the next lies ready. */
const tasksPerThread = 2;

/** Bytes decoded by the caller's own thread before others are started: a few milliseconds of work. */
const inlineBytesMax = 2 * 1024 * 1024;

interface Waiting {
  readonly task: Task;
  readonly target: Uint8Array | undefined;
  readonly resolve: (answer: FromThread) => void;
  readonly reject: (error: unknown) => void;
}

interface Thread {
  readonly worker: Worker;
  readonly running: Map<number, Waiting>;
}

/** Decodes tasks in the order they come, several at once. Disposing ends the threads. */
export class BlobThreads implements AsyncDisposable {
  readonly #key: MasterKey;
  readonly #threads: Thread[] = [];
  readonly #queue: Waiting[] = [];
  #bytesInline = 0;
  #nextId = 0;

  constructor(key: MasterKey) {
    this.#key = key;
  }

  /** Works with threads that were started ahead, if there are any, from the first byte on. */
  takeOver(spare: SpareWorkers): void {
    if (this.#threads.length > 0) return;
    for (const worker of spare.take()) this.#threads.push(this.#employ(worker));
    if (this.#threads.length > 0) this.#bytesInline = inlineBytesMax;
  }

  /**
   * As `decodeBlobs`. The pieces' buffers are taken away from the caller where they are not shared.
   *
   * @param target In shared memory; not to be looked at before this returns
   */
  async decode(task: DecodeTask, target?: Uint8Array): Promise<readonly DecodeFailure[]> {
    if (this.#bytesInline < inlineBytesMax) {
      for (const piece of task.pieces) this.#bytesInline += piece.byteLength;
      if (this.#bytesInline < inlineBytesMax) return decodeBlobs(this.#key, task, target);
    }
    return (await this.#queued(task, target)).failures ?? [];
  }

  /**
   * The same of a part of a file, which a thread reads by itself.
   *
   * @returns undefined where it was not read: threads do not run yet, or the file could not be
   */
  async decodeFile(task: FileTask, target?: Uint8Array): Promise<readonly DecodeFailure[] | undefined> {
    if (this.#bytesInline < inlineBytesMax) return undefined;
    return (await this.#queued(task, target)).failures;
  }

  /**
   * Reads a whole pack in a thread.
   *
   * @returns undefined where it was not read, as for {@link decodeFile}
   */
  async inspectFile(task: InspectTask): Promise<InspectedFile | undefined> {
    if (this.#bytesInline < inlineBytesMax) return undefined;
    return (await this.#queued(task, undefined)).whole;
  }

  #queued(task: Task, target: Uint8Array | undefined): Promise<FromThread> {
    if (this.#threads.length === 0) this.#start();
    return new Promise((resolve, reject) => {
      this.#queue.push({ task, target, resolve, reject });
      this.#handOut();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const threads = this.#threads.splice(0);
    await Promise.all(threads.map(({ worker }) => worker.terminate()));
  }

  #start(): void {
    for (let i = 0; i < decodingThreads(); i++) this.#threads.push(this.#employ(startBlobWorker()));
  }

  #employ(worker: Worker): Thread {
    worker.postMessage({ key: this.#key } satisfies FirstToThread);
    const thread: Thread = { worker, running: new Map() };
    worker.on("message", (answer: FromThread) => {
      const waiting = thread.running.get(answer.id);
      if (answer.unwritten === undefined) waiting?.resolve(answer);
      else waiting?.reject(new UnwrittenError(answer.unwritten));
      thread.running.delete(answer.id);
      this.#rest(thread);
      this.#handOut();
    });
    worker.on("error", (error) => this.#fail(thread, error));
    worker.on("exit", () => this.#fail(thread, undefined));
    // Until it has a task: a listener makes the program wait for its thread.
    worker.unref();
    return thread;
  }

  #handOut(): void {
    // None is left where they were ended meanwhile: then the queue is given up with the last of them.
    while (this.#queue.length > 0 && this.#threads.length > 0) {
      const thread = this.#threads.reduce((a, b) => (b.running.size < a.running.size ? b : a));
      if (thread.running.size >= tasksPerThread) return;
      const waiting = this.#queue.shift();
      if (waiting !== undefined) this.#give(thread, waiting);
    }
  }

  #give(thread: Thread, waiting: Waiting): void {
    const { task, target } = waiting;
    const pieces = "pieces" in task ? task.pieces.map(movable) : [];
    const id = this.#nextId++;
    thread.running.set(id, waiting);
    thread.worker.ref();
    const message: ToThread = { id, task: "pieces" in task ? { ...task, pieces } : task, target };
    thread.worker.postMessage(
      message,
      pieces.map((piece) => piece.buffer as ArrayBuffer),
    );
  }

  #rest(thread: Thread): void {
    if (thread.running.size === 0) thread.worker.unref();
  }

  /** A thread that ends takes its tasks with it, and those nobody else would ever take. */
  #fail(thread: Thread, cause: unknown): void {
    const at = this.#threads.indexOf(thread);
    if (at >= 0) this.#threads.splice(at, 1);
    const lost = [...thread.running.values(), ...(this.#threads.length === 0 ? this.#queue.splice(0) : [])];
    thread.running.clear();
    const state = cause === undefined ? "its thread ended" : errorText(cause);
    for (const { reject } of lost) {
      reject(new BackupError("bug", `Cannot decode blobs: ${state}`, { cause }));
    }
  }
}

/** The bytes alone in a buffer of their own, which can be moved to a thread. */
function movable(bytes: Uint8Array): Uint8Array {
  return ownsBuffer(bytes) ? bytes : new Uint8Array(bytes);
}
