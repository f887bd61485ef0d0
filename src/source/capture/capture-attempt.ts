/**
 * One try at capturing a live database: what it is given and how it can end.
 * Shared by the methods in `capture-pinned.ts`, `capture-locked.ts` and
 * `capture-scratch.ts`.
 *
 * @module
 */

import type { ByteString } from "../../domain/byte-string.ts";
import type { Clock } from "../../domain/clock.ts";
import { BackupError, errorText, reasonText } from "../../domain/error.ts";
import type { CaptureMethod, CaptureRefusal, CaptureRequest } from "./capture.ts";
import type { LiveFiles } from "./capture-files.ts";
import { isBusy, isDamage, resultCode, sqliteCode } from "./capture-sqlite.ts";

export interface CaptureContext {
  readonly request: CaptureRequest;
  /** The real file: links resolved, so that sidecars are looked for where SQLite does. */
  readonly path: ByteString;
  readonly clock: Clock;
  /** By `clock.elapsed()`: when to stop waiting for writers. */
  readonly deadline: number;
  /** What the folder held when the method was chosen. */
  readonly files: LiveFiles;
  /** Bytes done of bytes in all. */
  readonly report: (done: number, total: number) => void;
  /** So many bytes from the start of the image will not change any more. */
  readonly steady: (bytes: number) => void;
}

/**
 * - `made`: the image is there
 * - `again`: something was in the way that may be gone next time
 * - `damaged`: SQLite cannot read it at all
 */
export type Attempt =
  | Made
  | {
      readonly result: "again";
      /** What to say if it never goes away. */
      readonly reason: CaptureRefusal;
      readonly message: string;
      readonly hotJournal: boolean;
      /** SQLite said so itself. */
      readonly isLocked?: boolean;
    }
  | { readonly result: "damaged"; readonly message: string }
  | { readonly result: "refused"; readonly reason: CaptureRefusal; readonly message: string };

export interface Made {
  readonly result: "made";
  readonly method: CaptureMethod;
  /** Of the live database. */
  readonly journalMode: string;
  readonly warnings: readonly string[];
}

/** An attempt that found things changed under it. */
export function again(message: string): Extract<Attempt, { readonly result: "again" }> {
  return { result: "again", reason: "busy", message, hotJournal: false };
}

/** Sorts what an attempt threw. @throws what no further attempt on this machine can help */
export function attemptFromError(error: unknown): Attempt {
  if (isDamage(error)) return { result: "damaged", message: errorText(error) };
  if (isBusy(error)) return { ...again(errorText(error)), isLocked: true };
  const code = resultCode(error);
  if (code === undefined) return attemptFromSystemError(error);
  if (code === sqliteCode.full) throw outOfSpace(error);
  if (code === sqliteCode.noMemory) throw error;
  const hotJournal = code === sqliteCode.hotJournal;
  // Other read-only codes pass: an app is just starting, and its -shm is not ready.
  const reason = (code & 0xff) === sqliteCode.readOnly ? "busy" : "unreadable";
  return { result: "again", reason, message: errorText(error), hotJournal };
}

function attemptFromSystemError(error: unknown): Attempt {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  const message = reasonText(error);
  if (code === "ENOSPC" || code === "EDQUOT") throw outOfSpace(error);
  if (code === "ENOENT" || code === "ELOOP") {
    return { result: "again", reason: "unreadable", message, hotJournal: false };
  }
  if (code === "EACCES" || code === "EPERM" || code === "EIO" || code === "ESTALE") {
    return { result: "refused", reason: "unreadable", message };
  }
  throw error;
}

function outOfSpace(error: unknown): BackupError {
  return new BackupError("no-space", "Cannot write the database image: the disk is full", {
    cause: error,
    hint: "Free space where captured databases are put, or name another scratch folder.",
  });
}
