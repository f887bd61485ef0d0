/**
 * The waiting of a run for others that hold the vault.
 *
 * @module
 */

import { randomInt } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Clock } from "../../../domain/clock.ts";
import { BackupError } from "../../../domain/error.ts";
import type { LockOptions } from "../../vault.ts";
import type { RunPurpose } from "./run-document.ts";
import type { Run } from "../bytes/runs.ts";

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

  /** @throws {BackupError} `locked` when the time is up */
  async pause(holders: readonly Run[], signal: AbortSignal): Promise<void> {
    const leftMs = this.#deadlineMs - this.#clock.elapsed();
    if (leftMs <= 0) {
      throw new BackupError("locked", `Cannot lock ${this.#location}: ${describeHolder(holders)}`, {
        retryable: true,
        hint: "Wait until that run has ended, then try again.",
      });
    }
    // The first pauses pass in silence: others come and go within milliseconds.
    if (!this.#said && this.#pauseMs > 10 * firstPauseMs) {
      this.#said = true;
      this.#options.observer.warning(`Waiting for ${this.#location}: ${describeHolder(holders)}`);
    }
    await sleep(Math.min(leftMs, randomInt(this.#pauseMs / 2, this.#pauseMs + 1)), undefined, { signal });
    this.#pauseMs = Math.min(2 * this.#pauseMs, pauseMsMax);
  }
}

const doing: Readonly<Record<RunPurpose, string>> = {
  create: "making a backup",
  hold: "reading backups",
  remove: "removing backups",
  clean: "cleaning up",
};

function describeHolder(holders: readonly Run[]): string {
  const document = holders[0]?.document;
  if (document === undefined) return "a run that this version knows nothing about holds it";
  const { host, pid } = document.owner;
  return `process ${pid} on ${host} has been ${doing[document.purpose]} since ${document.startedAt}`;
}
