/**
 * Starts and stops the writers of the torture runs.
 *
 * @module
 */

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { WriterOptions, WriterReport } from "./writer.ts";

export class Writer implements AsyncDisposable {
  readonly #child: ChildProcess;
  #commits = 0;
  #longestMs = 0;

  /** Use {@link startWriter}. */
  constructor(options: WriterOptions) {
    const script = fileURLToPath(new URL("./writer.ts", import.meta.url));
    this.#child = fork(script, [JSON.stringify(options)], { stdio: ["ignore", "ignore", "inherit", "ipc"] });
    this.#child.on("message", (message) => {
      const report = message as WriterReport;
      this.#commits = report.commits;
      this.#longestMs = Math.max(this.#longestMs, report.longestMs);
    });
  }

  /** Transactions committed so far, as of the last report. */
  get commits(): number {
    return this.#commits;
  }

  /** The longest transaction since this was last asked, milliseconds. */
  takeLongestMs(): number {
    const longest = this.#longestMs;
    this.#longestMs = 0;
    return longest;
  }

  /** Waits for the writer's next report. */
  async nextReport(): Promise<void> {
    await once(this.#child, "message");
  }

  /** Kills it in the middle of whatever it does, as a power switch would. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill("SIGKILL");
    await once(this.#child, "exit");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}

/** Starts a writer and returns when it has committed for the first time. */
export async function startWriter(options: WriterOptions): Promise<Writer> {
  const writer = new Writer(options);
  await writer.nextReport();
  return writer;
}
