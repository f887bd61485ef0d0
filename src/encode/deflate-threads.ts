/**
 * Threads that make gzip members with our own deflate. Buffers go to a thread and come back,
 * without their bytes being copied.
 *
 * @module
 */

import { availableParallelism } from "node:os";
import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import { BackupError, errorText } from "../domain/error.ts";
import { compileDeflate, type DeflateModule } from "./deflate-kernel.ts";
import type { EncodedMember } from "./gzip-member.ts";

/** As many as one main thread, which reads and hashes, can keep busy. */
const threadsMax = 3;
/** One that is worked on, and one that waits, so that a thread need not wait for the main one. */
const jobsPerThread = 2;
/** Objects of a thread are few and short-lived. */
const youngHeapMiB = 2;

/** To a thread: a job, or that there will be no more. */
export type ToDeflateWorker = DeflateJob | "end";

interface DeflateJob {
  readonly raw: ArrayBuffer;
  readonly rawBytes: number;
  readonly target: ArrayBuffer;
  readonly method: "deflate" | "store";
}

export interface DeflateAnswer {
  readonly raw: ArrayBuffer;
  readonly target: ArrayBuffer;
  readonly memberBytes: number;
  readonly crc32: number;
}

/** A member, and the buffers the job was given: those that were handed over are empty now. */
export interface DeflatedMember {
  readonly raw: Buffer;
  readonly target: Buffer;
  readonly member: EncodedMember;
}

interface Pending {
  readonly rawBytes: number;
  readonly resolve: (member: DeflatedMember) => void;
  readonly reject: (error: unknown) => void;
}

interface Thread {
  readonly worker: Worker;
  readonly ended: Promise<void>;
  /** In the order in which they are answered. */
  readonly jobs: Pending[];
}

/** A few threads; to be closed. They do not keep the process alive while they have nothing to do. */
export class DeflateThreads {
  /** How many members may be in work at once. */
  static readonly jobsMax: number = Math.min(threadsMax, availableParallelism()) * jobsPerThread;

  readonly #threads: Thread[] = [];
  readonly #module: DeflateModule;
  #threadsMax: number = DeflateThreads.jobsMax / jobsPerThread;
  #failure: BackupError | undefined;
  #closing = false;

  /** @throws {BackupError} `unsupported` where the processor lacks what our deflate is made of, SIMD for one */
  constructor() {
    try {
      this.#module = compileDeflate();
    } catch (error) {
      throw cannotStart(error);
    }
  }

  /**
   * Makes a member of the first `rawBytes` bytes of `raw`, in `target`, compressed or stored as they are. Both must be whole
   * `ArrayBuffer`s, and cannot be used any more: the answer has others in their place.
   *
   * @throws {BackupError} `unsupported` where no thread can be started: the buffers are the caller's still; `bug`
   */
  async make(
    { raw, rawBytes, target }: { raw: Buffer; rawBytes: number; target: Buffer },
    method: "deflate" | "store",
  ): Promise<DeflatedMember> {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#closing) throw new BackupError("bug", "Cannot compress: the threads are closed");
    const thread = this.#idlest();
    const job = { raw: raw.buffer, rawBytes, target: target.buffer, method } as DeflateJob;
    return await new Promise((resolve, reject) => {
      thread.jobs.push({ rawBytes, resolve, reject });
      thread.worker.ref();
      thread.worker.postMessage(job satisfies ToDeflateWorker, [job.raw, job.target]);
    });
  }

  /** Ends the threads, after what they have in work. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing = true;
    for (const { worker } of this.#threads) {
      worker.ref();
      worker.postMessage("end" satisfies ToDeflateWorker);
    }
    await Promise.all(this.#threads.map(({ ended }) => ended));
  }

  #idlest(): Thread {
    const idle = this.#threads.find(({ jobs }) => jobs.length === 0);
    if (idle !== undefined) return idle;
    if (this.#threads.length < this.#threadsMax) {
      try {
        return this.#start();
      } catch (error) {
        // A limit of processes. Those that run can do the work of all.
        if (this.#threads.length === 0) throw cannotStart(error);
        this.#threadsMax = this.#threads.length;
      }
    }
    return this.#threads.reduce((a, b) => (b.jobs.length < a.jobs.length ? b : a));
  }

  #start(): Thread {
    // In development this file is TypeScript, when published JavaScript; the worker is its sibling.
    const worker = new Worker(new URL(`./deflate-worker${extname(import.meta.url)}`, import.meta.url), {
      workerData: this.#module,
      // Nothing of ours is for it to see.
      env: {},
      execArgv: [],
      resourceLimits: { maxYoungGenerationSizeMb: youngHeapMiB },
    });
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    const thread: Thread = { worker, ended, jobs: [] };
    worker.on("message", (answer: DeflateAnswer) => this.#hear(thread, answer));
    worker.on("error", (error) => this.#fail(failureOf(error)));
    worker.on("exit", () => {
      end();
      if (!this.#closing || thread.jobs.length > 0) this.#fail(lostThread("its thread ended", undefined));
    });
    this.#threads.push(thread);
    return thread;
  }

  #fail(failure: BackupError): void {
    if (this.#failure !== undefined) return;
    this.#failure = failure;
    for (const { worker, jobs } of this.#threads) {
      worker.unref();
      for (const job of jobs.splice(0)) job.reject(failure);
    }
  }

  #hear({ worker, jobs }: Thread, answer: DeflateAnswer): void {
    const job = jobs.shift();
    // While it closes somebody waits for its end.
    if (jobs.length === 0 && !this.#closing) worker.unref();
    const target = Buffer.from(answer.target);
    job?.resolve({
      raw: Buffer.from(answer.raw),
      target,
      member: {
        bytes: target.subarray(0, answer.memberBytes),
        rawBytes: job.rawBytes,
        crc32: answer.crc32,
      },
    });
  }
}

function cannotStart(cause: unknown): BackupError {
  return new BackupError("unsupported", `Cannot compress in threads: ${errorText(cause)}`, { cause });
}

/** It took the bytes it had in work along, so that nobody else can go on with them. */
function lostThread(state: string, cause: unknown): BackupError {
  return new BackupError("bug", `Cannot compress: ${state}`, {
    cause,
    retryable: true,
    hint: "Most often the machine is short of memory: try again when it has more, or give a level, such as --level 5, which needs no threads for it.",
  });
}

/** What a thread threw, which came over as a plain error with the fields it had, as an error of ours. */
export function failureOf(cause: unknown): BackupError {
  const { name, hint, code } = (cause ?? {}) as Partial<Record<"name" | "hint" | "code", unknown>>;
  const text = errorText(cause);
  if (code === "ERR_WORKER_OUT_OF_MEMORY") return lostThread("memory ran out", cause);
  const message = name === "BackupError" ? text : `Cannot compress: ${text}`;
  return new BackupError("bug", message, { cause, ...(typeof hint === "string" ? { hint } : {}) });
}
