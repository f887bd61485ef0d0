/**
 * A few capture processes, shared: started when first needed, reused while they
 * live, handed out in the order asked for.
 *
 * @module
 */

import { BackupError } from "../../domain/error.ts";
import { CaptureProcess } from "./capture-process.ts";

export class CapturePool implements AsyncDisposable {
  readonly #limit: number;
  readonly #idle: CaptureProcess[] = [];
  readonly #busy = new Set<CaptureProcess>();
  readonly #waiting: (() => void)[] = [];
  #permits: number;
  #closed = false;

  /** @param limit - How many processes may be at work at once. */
  constructor(limit: number) {
    this.#limit = limit;
    this.#permits = limit;
  }

  /** Starts a process ahead, if there is none: it takes 100 ms, in which its parent has other things to do. */
  prepare(): void {
    if (this.#closed || this.#idle.length + this.#busy.size > 0) return;
    try {
      this.#idle.push(new CaptureProcess());
    } catch {
      // Told to whoever takes one, if it still cannot be started then.
    }
  }

  /** A process for one task; give it back when the task is over. Waits while all are at work. */
  async take(signal: AbortSignal): Promise<CaptureProcess> {
    await this.#permit(signal);
    if (this.#closed) {
      this.#release();
      throw new BackupError("bug", "Cannot capture a database: the capturer is closed");
    }
    let process = this.#idle.pop();
    while (process !== undefined && !process.alive) process = this.#idle.pop();
    try {
      process ??= new CaptureProcess();
    } catch (error) {
      this.#release();
      throw error;
    }
    this.#busy.add(process);
    return process;
  }

  /** Takes a process back; one that died is forgotten. */
  giveBack(process: CaptureProcess): void {
    this.#busy.delete(process);
    if (process.alive && !this.#closed && this.#idle.length < this.#limit) this.#idle.push(process);
    else void process.kill();
    this.#release();
  }

  /** Ends all processes, whatever they are at; their tasks fail. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    const all = [...this.#idle.splice(0), ...this.#busy];
    await Promise.all(all.map((process) => process.kill()));
  }

  async #permit(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#permits > 0) {
      this.#permits--;
      return;
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const onAbort = (): void => {
      const place = this.#waiting.indexOf(resolve);
      // Where the permit was handed over just now, it is taken, and given back by whoever sees the abort.
      if (place < 0) return;
      this.#waiting.splice(place, 1);
      reject(signal.reason);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    this.#waiting.push(resolve);
    try {
      await promise;
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  /** Hands the permit on, so that nobody can overtake the one who waits longest. */
  #release(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#permits++;
    else next();
  }
}
