/**
 * The waiting of a run for others that hold a vault.
 *
 * @module
 */

import { randomInt } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Clock } from "../domain/clock.ts";
import { BackupError } from "../domain/error.ts";
import type { LockOptions } from "./vault.ts";

/** How long anything waits for others unless told otherwise. */
export const defaultLockWaitMs: number = 10 * 60_000;

const firstPauseMs = 20;
const pauseMsMax = 5_000;

/** Waits in growing, jittered steps, says once for whom, and gives up in time. */
export class LockWait {
  readonly #location: string;
  readonly #clock: Clock;
  readonly #options: LockOptions;
  readonly #deadlineMs: number;
  #pauseMs = firstPauseMs;
  #said = false;

  constructor(location: string, clock: Clock, options: LockOptions) {
    this.#location = location;
    this.#clock = clock;
    this.#options = options;
    this.#deadlineMs = clock.elapsed() + options.lockWaitMs;
  }

  /**
   * @param holder Who it waits for, as the end of "Cannot lock the vault: "
   * @throws {BackupError} `locked` when the time is up
   */
  async pause(
    holder: string,
    signal: AbortSignal,
    hint = "Wait until that run has ended, then try again.",
  ): Promise<void> {
    const leftMs = this.#deadlineMs - this.#clock.elapsed();
    if (leftMs <= 0) {
      throw new BackupError("locked", `Cannot lock ${this.#location}: ${holder}`, { retryable: true, hint });
    }
    // The first pauses pass in silence: others come and go within milliseconds.
    if (!this.#said && this.#pauseMs > 10 * firstPauseMs) {
      this.#said = true;
      this.#options.observer.warning(`Waiting for ${this.#location}: ${holder}`);
    }
    await sleep(Math.min(leftMs, randomInt(this.#pauseMs / 2, this.#pauseMs + 1)), undefined, { signal });
    this.#pauseMs = Math.min(2 * this.#pauseMs, pauseMsMax);
  }
}
