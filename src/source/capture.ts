/**
 * The words of database capture: what is asked of the capture process and what
 * it answers. `database-capturer.ts` does it; this module is data only.
 *
 * @module
 */

import type { DatabaseCheck } from "../domain/backup.ts";
import type { ByteString } from "../domain/byte-string.ts";

export interface CaptureRequest {
  /** Absolute path of the live database. */
  readonly path: ByteString;
  /** Where the image is to be made: a path in a private folder that does not exist yet. */
  readonly imagePath: string;
  /**
   * `declared`: the operator named it; if it is damaged its raw bytes are kept and marked.
   * `found`: a file from strangers; refused rather than opened in any way that could harm.
   */
  readonly trust: "declared" | "found";
  readonly check: "quick_check" | "integrity_check";
  /** How long to wait for a writer that holds the database, milliseconds. */
  readonly busyTimeoutMs: number;
}

/** A consistent image in a file, durable, with header bytes 18 and 19 set to 1 (rollback mode). */
export interface CapturedImage {
  readonly imagePath: string;
  readonly sizeBytes: number;
  readonly pageSizeBytes: number;
  /** Journal mode of the live database: `wal`, `delete`, `truncate`, `persist`, `memory`, `off`; `unknown` for raw copies. */
  readonly journalMode: string;
  /** How it was made; `raw-copy` only for declared databases that SQLite cannot read. */
  readonly method: "pinned-read" | "one-step" | "pre-copy" | "rolled-back-copy" | "empty" | "raw-copy";
  readonly check: DatabaseCheck;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeNs: bigint;
  /** Sentences people should read, for example that a hot journal was rolled back on a copy. */
  readonly warnings: readonly string[];
}

/**
 * Why a file could not be captured as a database.
 * - `not-a-database`: only its first bytes look like SQLite, or it is encrypted
 * - `busy`: a writer held it for longer than `busyTimeoutMs`
 * - `unsafe-journal`: a journal beside it names other files, or is not what it seems
 * - `unreadable`: permission or I/O
 * - `missing`: no such file
 * - `too-slow`: a found file took longer than its limit
 */
export type CaptureRefusal =
  | "not-a-database"
  | "busy"
  | "unsafe-journal"
  | "unreadable"
  | "missing"
  | "too-slow";

export type CaptureOutcome =
  | { readonly outcome: "captured"; readonly image: CapturedImage }
  | { readonly outcome: "refused"; readonly reason: CaptureRefusal; readonly message: string };
