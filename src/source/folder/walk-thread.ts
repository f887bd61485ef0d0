/**
 * A thread that walks one folder. It starts before it is told which, so that one can be
 * ready when it is needed: loading what it runs takes as long as looking at 10,000 files.
 *
 * @module
 */

import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import { BackupError, errorText } from "../../domain/error.ts";
import type { WalkOptions } from "./walk-folder.ts";
import type { FromWalk, ToWalk } from "./walk-messages.ts";

/** Entries from which on a second thread is worth its start, which takes as long as looking at 10,000 files. */
export const entriesWorthThread = 20_000;

/** A spare thread that nobody has taken by then ends: it holds 10 MB. */
const spareMs = 60_000;

/** Started for whoever walks next. */
let spare: { readonly thread: WalkThread; readonly timer: NodeJS.Timeout } | undefined;

/** Starts a thread for the next walk, unless one is ready. It keeps no process from ending. */
export function prepareWalkThread(): void {
  if (spare !== undefined) return;
  const thread = new WalkThread();
  const timer = setTimeout(() => {
    spare = undefined;
    void thread[Symbol.asyncDispose]();
  }, spareMs);
  timer.unref();
  spare = { thread, timer };
}

/** A thread that nobody else has. */
export function takeWalkThread(): WalkThread {
  const taken = spare;
  spare = undefined;
  clearTimeout(taken?.timer);
  return taken === undefined || taken.thread.hasDied ? new WalkThread() : taken.thread;
}

/** Undefined where no thread can be had. */
function startWorker(script: URL, failed: (error: Error) => void): Worker | undefined {
  try {
    return new Worker(script, { env: {} });
  } catch (error) {
    failed(error as Error);
    return undefined;
  }
}

export class WalkThread implements AsyncDisposable {
  readonly #worker: Worker | undefined;
  readonly #waiting: FromWalk[] = [];
  #died: Error | undefined;
  #wake = (): void => undefined;

  constructor() {
    // In development this file is TypeScript, when published JavaScript; the worker is its sibling.
    const script = new URL(`./walk-worker${extname(import.meta.url)}`, import.meta.url);
    this.#worker = startWorker(script, (error) => this.#end(error));
    if (this.#worker === undefined) return;
    this.#worker.unref();
    this.#worker.on("message", (message: FromWalk) => {
      this.#waiting.push(message);
      this.#wake();
    });
    this.#worker.on("error", (error) => this.#end(error));
    this.#worker.on("exit", () => this.#end(new Error("it ended early")));
  }

  get hasDied(): boolean {
    return this.#died !== undefined;
  }

  /** To be called once. */
  start(options: WalkOptions): void {
    this.ref();
    this.#tell(options);
  }

  /** From here on the process does not end before it does. */
  ref(): void {
    this.#worker?.ref();
  }

  /** Nobody waits for it: it keeps no process from ending. */
  unref(): void {
    this.#worker?.unref();
  }

  /** So many batches were taken. */
  askForMore(batches: number): void {
    this.#tell(batches);
  }

  /** The next message. @throws the reason of `signal`; a `bug` if the thread died */
  async next(signal: AbortSignal): Promise<FromWalk> {
    // Mostly it is there already, and needs no listener.
    signal.throwIfAborted();
    const message = this.#waiting.shift();
    return message ?? (await this.#wait(signal));
  }

  /** Waits for the first message, which stays. False if the thread died before it sent any. */
  async hasBegun(signal: AbortSignal): Promise<boolean> {
    await this.#until(() => this.#waiting.length > 0 || this.#died !== undefined, signal);
    return this.#waiting.length > 0;
  }

  async #wait(signal: AbortSignal): Promise<FromWalk> {
    await this.#until(() => this.#waiting.length > 0 || this.#died !== undefined, signal);
    const message = this.#waiting.shift();
    if (message !== undefined) return message;
    throw new BackupError("bug", `Cannot walk a folder: ${errorText(this.#died)}`, { cause: this.#died });
  }

  async #until(isTrue: () => boolean, signal: AbortSignal): Promise<void> {
    const wake = (): void => this.#wake();
    signal.addEventListener("abort", wake, { once: true });
    try {
      for (;;) {
        signal.throwIfAborted();
        if (isTrue()) return;
        await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    } finally {
      signal.removeEventListener("abort", wake);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker?.terminate();
  }

  #tell(message: ToWalk): void {
    this.#worker?.postMessage(message);
  }

  #end(error: Error): void {
    this.#died ??= error;
    this.#wake();
  }
}
