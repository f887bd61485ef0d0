/**
 * The words of database capture: what is asked of the capture process and what
 * it answers. `database-capturer.ts` does it; this module is data only.
 *
 * @module
 */

import type { DatabaseCheck } from "../../domain/backup.ts";
import type { ByteString } from "../../domain/byte-string.ts";

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

/**
 * How an image was made.
 * - `pinned-read`: WAL mode, through SQLite inside one read transaction
 * - `one-step`: rollback modes, copied whole under a shared lock
 * - `pre-copy`: rollback modes, copied first; what changed meanwhile copied again under a shared lock
 * - `rolled-back-copy`: an interrupted transaction was rolled back on a private copy
 * - `scratch-copy`: a WAL database nobody has open, copied with its log and recovered there
 * - `empty`: the file has no bytes yet
 * - `raw-copy`: the bytes as they are; only for declared databases that SQLite cannot read
 */
export type CaptureMethod =
  | "pinned-read"
  | "one-step"
  | "pre-copy"
  | "rolled-back-copy"
  | "scratch-copy"
  | "empty"
  | "raw-copy";

/** A consistent image in a file, durable, with header bytes 18 and 19 set to 1 (rollback mode). */
export interface CapturedImage {
  readonly imagePath: string;
  readonly sizeBytes: number;
  readonly pageSizeBytes: number;
  /** Journal mode of the live database: `wal`, `delete`, `truncate`, `persist`, `memory`, `off`; `unknown` for raw copies. */
  readonly journalMode: string;
  /** How it was made. */
  readonly method: CaptureMethod;
  readonly check: DatabaseCheck;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeNs: bigint;
  /** Sentences people should read, for example that a hot journal was rolled back on a copy. */
  readonly warnings: readonly string[];
}

/** Hears of an image while it is made, so that it can be read already. */
export interface ImageListener {
  /**
   * So many bytes from its start are written and will not change any more. Told now and then, or
   * never. An image that has to be made anew is a new file; of that 0 are told first.
   */
  steady(bytes: number): void;
  /** It is complete and will not change any more; it is being checked. */
  complete(): void;
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
