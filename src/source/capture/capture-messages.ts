/**
 * What the program and its capture processes say to each other. Sent with the
 * "advanced" serialization, so `bigint` and typed arrays cross as they are.
 *
 * @module
 */

import type { DatabaseCheck } from "../../domain/backup.ts";
import type { ErrorKind } from "../../domain/error.ts";
import type { CaptureOutcome, CaptureRequest } from "./capture.ts";

interface CheckRequest {
  readonly imagePath: string;
  readonly method: "quick_check" | "integrity_check";
}

export interface ColumnRequest {
  readonly imagePath: string;
  readonly table: string;
  readonly column: string;
  /** Only whether it can be read. */
  readonly withoutRows?: boolean;
}

export interface LiveInstallRequest {
  /** A verified image in rollback mode, as captures make them, in a private folder; it is only read. */
  readonly imagePath: string;
  /** Absolute path of the live database that is to take on the image's content. */
  readonly targetPath: string;
  /** The mode recorded with the image; the target is put into it where its users allow. */
  readonly journalMode: string;
  /** How long to wait for the target's readers and writers, milliseconds. */
  readonly busyTimeoutMs: number;
}

/** Where an image is put whose pages had to be made another size. */
export function convertedImagePath(imagePath: string): string {
  return `${imagePath}.converted`;
}

export interface LiveInstallResult {
  /** Journal mode of the target afterwards. */
  readonly journalMode: string;
  /** Sentences people should read. */
  readonly warnings: readonly string[];
}

/** The work a capture process does, by name: what goes in and what comes out. */
export interface Tasks {
  readonly capture: { readonly input: CaptureRequest; readonly output: CaptureOutcome };
  readonly check: { readonly input: CheckRequest; readonly output: DatabaseCheck };
  readonly columns: { readonly input: ColumnRequest; readonly output: null };
  readonly install: { readonly input: LiveInstallRequest; readonly output: LiveInstallResult };
}

export type TaskName = keyof Tasks;

/** `next` asks for one more batch of a running `columns` task, so that batches never pile up. */
export type ToChild =
  | { readonly [T in TaskName]: { readonly kind: T; readonly input: Tasks[T]["input"] } }[TaskName]
  | { readonly kind: "next" };

export type FromChild =
  | { readonly kind: "progress"; readonly done: number; readonly total: number }
  | { readonly kind: "batch"; readonly values: readonly string[] }
  | { readonly kind: "steady"; readonly bytes: number }
  | { readonly kind: "complete" }
  | { readonly kind: "done"; readonly output: Tasks[TaskName]["output"] }
  | { readonly kind: "failed"; readonly error: FailureMessage };

/** A `BackupError` on its way between processes. */
export interface FailureMessage {
  readonly errorKind: ErrorKind;
  readonly message: string;
  readonly retryable: boolean;
  readonly hint: string | undefined;
}
