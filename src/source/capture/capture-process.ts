/**
 * One capture process, seen from the program: forked, given one task at a time,
 * killed when it is no longer wanted. Its death is always an error of the task
 * it was at, never a wait without end.
 *
 * @module
 */

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { BackupError, errorText } from "../../domain/error.ts";
import type { FailureMessage, FromChild, TaskName, Tasks, ToChild } from "./capture-messages.ts";

/** JavaScript memory of the process, MiB; its buffers and SQLite's caches come on top and are bounded by constants. */
const heapMiB = 64;

export interface TaskListener {
  progress?(done: number, total: number): void;
  /** More batches come only after {@link CaptureProcess.askForNext}. */
  batch?(values: readonly string[]): void;
  /** So many bytes from the start of the image of a capture will not change any more. */
  steady?(bytes: number): void;
  /** The image of a capture will not change any more; it is being checked. */
  complete?(): void;
}

export class CaptureProcess {
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  #alive = true;

  /** Forks. @throws {BackupError} `source-unavailable` where the system lets no more processes start */
  constructor() {
    this.#child = forkChild();
    this.#exited = once(this.#child, "exit").catch(() => undefined);
    const end = (): void => {
      this.#alive = false;
    };
    this.#child.once("exit", end);
    this.#child.on("error", end);
    this.#holdProgram(false);
  }

  /** False when it ended; it can take no more tasks. */
  get alive(): boolean {
    return this.#alive && this.#child.connected;
  }

  /**
   * Runs one task.
   *
   * @throws {BackupError} what the task failed with, or `source-unavailable` if the process died
   * @throws the reason of `signal`, after the process is gone
   */
  async run<T extends TaskName>(
    kind: T,
    input: Tasks[T]["input"],
    listener: TaskListener,
    signal: AbortSignal,
  ): Promise<Tasks[T]["output"]> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<Tasks[T]["output"]>();
    const onMessage = (message: unknown): void => {
      const from = message as FromChild;
      if (from.kind === "progress") listener.progress?.(from.done, from.total);
      else if (from.kind === "batch") listener.batch?.(from.values);
      else if (from.kind === "steady") listener.steady?.(from.bytes);
      else if (from.kind === "complete") listener.complete?.();
      else if (from.kind === "done") resolve(from.output as Tasks[T]["output"]);
      else reject(backupError(from.error));
    };
    const onExit = (code: number | null, exitSignal: string | null): void =>
      reject(signal.aborted ? signal.reason : diedError(exitSignal ?? `exit code ${code}`));
    const onError = (error: Error): void => reject(diedError(error.message, error));
    const onAbort = (): void => void this.#child.kill("SIGKILL");
    this.#child.on("message", onMessage).once("exit", onExit).on("error", onError);
    signal.addEventListener("abort", onAbort, { once: true });
    this.#holdProgram(true);
    try {
      this.#send({ kind, input } as ToChild);
      return await promise;
    } finally {
      this.#child.off("message", onMessage).off("exit", onExit).off("error", onError);
      signal.removeEventListener("abort", onAbort);
      this.#holdProgram(false);
    }
  }

  /** Lets a `columns` task send its next batch. */
  askForNext(): void {
    this.#send({ kind: "next" });
  }

  /** Ends the process whatever it is at, and returns when it is gone. */
  async kill(): Promise<void> {
    if (!this.#alive) return;
    this.#holdProgram(true);
    this.#child.kill("SIGKILL");
    await this.#exited;
  }

  /** The error of a failed send comes as an event. */
  #send(message: ToChild): void {
    this.#child.send(message, () => undefined);
  }

  /** An idle process must not keep a program from ending. */
  #holdProgram(hold: boolean): void {
    if (hold) {
      this.#child.ref();
      this.#child.channel?.ref();
    } else {
      this.#child.unref();
      this.#child.channel?.unref();
    }
  }
}

/** The process sees nothing of our environment, where secrets may be. */
function forkChild(): ChildProcess {
  // In development this file is TypeScript, when published JavaScript; the child is its sibling.
  const script = new URL(`./capture-child${extname(import.meta.url)}`, import.meta.url);
  try {
    return fork(fileURLToPath(script), [], {
      env: {},
      execArgv: [`--max-old-space-size=${heapMiB}`, "--max-semi-space-size=2"],
      serialization: "advanced",
      stdio: ["ignore", "ignore", "ignore", "ipc"],
    });
  } catch (error) {
    throw notStarted(error);
  }
}

function notStarted(cause: unknown): BackupError {
  const message = `Cannot start a process to read databases: ${errorText(cause)}`;
  return new BackupError("source-unavailable", message, {
    cause,
    retryable: true,
    hint: "Look for a limit of processes or memory (ulimit -u, a container's), then try again.",
  });
}

function backupError(failure: FailureMessage): BackupError {
  const hint = failure.hint === undefined ? {} : { hint: failure.hint };
  return new BackupError(failure.errorKind, failure.message, { retryable: failure.retryable, ...hint });
}

function diedError(how: string, cause?: Error): BackupError {
  return new BackupError("source-unavailable", `Cannot read a database: the capture process ended (${how})`, {
    cause,
    retryable: true,
    details: { [captureProcessDied]: 1 },
    hint: "Look for a memory limit that killed it, then try again.",
  });
}

const captureProcessDied = "captureProcessDied";

/** Tells whether a task failed because its process died, which a hostile file may have brought about. */
export function isProcessDeath(error: unknown): boolean {
  return error instanceof BackupError && captureProcessDied in error.details;
}
