/**
 * What operations report while they run. One observer interface for every
 * operation; the CLI draws it, the log writes it, REST streams it.
 *
 * @module
 */

import type { Problem } from "./backup.ts";

export type Phase =
  | "lock"
  | "capture"
  | "check"
  | "scan"
  | "store"
  | "verify"
  | "safety-backup"
  | "stage"
  | "swap"
  | "rotate"
  | "clean"
  | "read"
  | "compare"
  | "copy"
  | "index"
  | "prune"
  | "repair";

export interface Progress {
  readonly phase: Phase;
  /** Bytes and items done in this phase; never goes down within one phase. */
  readonly bytesDone: number;
  readonly itemsDone: number;
  /** Undefined while not known. May grow during a scan. */
  readonly bytesTotal?: number;
  readonly itemsTotal?: number;
  /** For display: what is being worked on. */
  readonly current?: string;
}

/** Listens to an operation. Methods return at once and never throw. */
export interface Observer {
  /** Called at most about ten times a second per phase, and once at its end. */
  progress(progress: Progress): void;
  /** Something people should know; the operation goes on. */
  warning(message: string): void;
  problem(problem: Problem): void;
}

/** An observer that listens to nothing. */
export const silentObserver: Observer = { progress() {}, warning() {}, problem() {} };
