/**
 * A backup: one restorable item in a vault, as every layer and every surface
 * (JSON, REST, page) sees it. Plain data.
 *
 * @module
 */

import type { EntryRoot } from "./entry.ts";

export const backupTypes: readonly ["full", "database", "storage"] = ["full", "database", "storage"];
export type BackupType = (typeof backupTypes)[number];

/** What one check of a database image found. */
export interface DatabaseCheck {
  /** `not-run` where the file could not be opened as a database at all. */
  readonly method: "quick_check" | "integrity_check" | "not-run";
  readonly ok: boolean;
  /** The first lines SQLite printed, at most 10; empty when ok. */
  readonly messages: readonly string[];
}

/** A declared database inside a backup. */
export interface BackupDatabase {
  /** Unique within the backup; usually the file's own name. Restored as `DIR/<name>`. */
  readonly name: string;
  /** Absolute path where it was. */
  readonly path: string;
  readonly sizeBytes: number;
  /** Lower-case hex; absent in repositories, which check each of its blobs instead. */
  readonly sha256?: string;
  readonly pageSizeBytes: number;
  /** As the live database had it: `wal`, `delete` and so on. Put back on restore. */
  readonly journalMode: string;
  readonly check: DatabaseCheck;
  /** Permission bits and owner of the live file. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** One file of a backup in an archive vault, for people and for `sha256sum`. */
export interface BackupFile {
  /** Name inside the vault, e.g. `database/db_backup_20240101_120000.db`. */
  readonly name: string;
  readonly role: "database" | "archive" | "contents" | "metadata";
  readonly sizeBytes: number;
  /** Lower-case hex SHA-256 of the stored bytes; absent for files that are not ours. */
  readonly sha256?: string;
}

export interface BackupCounts {
  readonly databases: number;
  readonly files: number;
  readonly directories: number;
  readonly symlinks: number;
  /** Files whose bytes were taken from the previous backup without being read. */
  readonly unchangedFiles: number;
}

/** Why something is missing from a backup, or is there in a way people should know of. */
export type ProblemKind =
  | "changed-while-read"
  | "vanished"
  | "unreadable"
  | "special-file"
  | "not-captured"
  | "reference-missing"
  | "reference-deleted";

export interface Problem {
  readonly kind: ProblemKind;
  /** For display: root name and path inside it, or an absolute path. */
  readonly path: string;
  readonly message: string;
}

/**
 * Problems that make a backup incomplete (exit code 3). The others are notes: a file the
 * app deleted meanwhile is no more missing than one deleted a second before.
 */
export const incompleteKinds: ReadonlySet<ProblemKind> = new Set<ProblemKind>([
  "changed-while-read",
  "unreadable",
]);

/**
 * How far a backup can be trusted.
 * - `good`: complete, checked
 * - `incomplete`: some files could not be read; they are named
 * - `suspect`: the source was missing, empty or shrank to under half; rotation waits for `confirm`
 * - `damaged`: a declared database failed its check, or verification found damage
 * - `unverified`: a file without our metadata, as the Python original wrote
 */
export type BackupState = "good" | "incomplete" | "suspect" | "damaged" | "unverified";

/** The backup that a copy was made of; of a copy of a copy still the first. */
export interface BackupOrigin {
  /** Its id in the vault it was made in. */
  readonly id: string;
  /** Where that vault was, for people: a path or URL without secrets. */
  readonly vault: string;
}

export interface Backup {
  readonly id: string;
  readonly type: BackupType;
  /** Name of the source (app) it protects. */
  readonly source: string;
  readonly host: string;
  /** ISO 8601 with offset, to the millisecond: the instant the backup stands for. */
  readonly startedAt: string;
  readonly startedAtMs: number;
  /** From the start of the run until everything but the metadata was stored. */
  readonly durationMs: number;
  readonly state: BackupState;
  /** One sentence on why the state is not `good`; empty when it is. */
  readonly stateReason: string;
  /** Present and true on a suspect backup that nobody has confirmed, also where damage has taken the place of its state: rotation waits (I5). */
  readonly suspect?: boolean;
  /** Taken before a restore; never counted or removed by rotation. */
  readonly safety: boolean;
  readonly pinned: boolean;
  /** Present and true on what no rotation may touch: files that are not ours, or that this version cannot read (I5). */
  readonly neverRemoved?: boolean;
  readonly tags: readonly string[];
  /** Bytes protected: databases and files as they were. */
  readonly sourceBytes: number;
  /** Bytes this backup takes in the vault. */
  readonly storedBytes: number;
  readonly counts: BackupCounts;
  readonly databases: readonly BackupDatabase[];
  readonly roots: readonly EntryRoot[];
  readonly files: readonly BackupFile[];
  /** First problems, at most 1,000; `problemCount` counts all. */
  readonly problems: readonly Problem[];
  readonly problemCount: number;
  /** ISO time of the last successful verification, if any. */
  readonly verifiedAt?: string;
  readonly toolVersion: string;
  /** Present where a repository's snapshot was written anew, by restic or a repair: what other programs call it now. */
  readonly snapshotId?: string;
  /** Present on a backup that was copied from another vault. */
  readonly copiedFrom?: BackupOrigin;
}
