/**
 * The metadata document of a backup in an archive vault: what makes it visible
 * and says everything that `list` shows. `metadata-parse.ts` reads it back.
 *
 * @module
 */

import type {
  BackupCounts,
  BackupDatabase,
  BackupFile,
  BackupOrigin,
  BackupState,
  BackupType,
  Problem,
} from "../../domain/backup.ts";
import type { EntryRoot } from "../../domain/entry.ts";
import { textCharactersMax } from "./metadata-fields.ts";
import { encodeSealed } from "./sealed-document.ts";

/** What this program writes, and the newest it reads. */
export const metadataVersion = 1;

/** Problems a document carries; `problemCount` counts all. */
export const problemsMax = 1_000;

/** A document of a thousand long problems takes 6 MB; what is larger than this is not ours. */
export const metadataSizeBytesMax: number = 32 * 1024 * 1024;

/** Longest path of a problem that is kept, so that a thousand of them stay below the limit above. */
const problemPathCharactersMax = 4_096;

export interface MetadataDatabase extends BackupDatabase {
  readonly sha256: string;
  /** Object that holds the image. */
  readonly file: string;
}

/** A stored file other than the document itself, so with a checksum. */
export interface MetadataFile extends BackupFile {
  readonly sha256: string;
}

export interface BackupMetadata {
  readonly id: string;
  readonly type: BackupType;
  /** Id of the full backup this is a part of. */
  readonly partOf?: string;
  /** Ids of the parts of a full backup; empty for the other types. */
  readonly parts: readonly string[];
  readonly source: string;
  readonly host: string;
  /** ISO 8601 with offset, to the millisecond. */
  readonly startedAt: string;
  readonly startedAtMs: number;
  readonly durationMs: number;
  readonly sourceBytes: number;
  readonly counts: BackupCounts;
  /** Every stored file but the document itself. */
  readonly files: readonly MetadataFile[];
  readonly databases: readonly MetadataDatabase[];
  readonly roots: readonly EntryRoot[];
  readonly compression: "gzip" | "none";
  readonly state: Exclude<BackupState, "unverified">;
  readonly stateReason: string;
  /** Some file could not be read, whatever `state` says: what a suspect backup becomes when it is confirmed. */
  readonly incomplete: boolean;
  /** Present and true where a `damaged` backup is suspect as well. */
  readonly suspect?: boolean;
  readonly safety: boolean;
  readonly tags: readonly string[];
  readonly problems: readonly Problem[];
  readonly problemCount: number;
  readonly toolVersion: string;
  /** Present on a copy of a backup of another vault. */
  readonly copiedFrom?: BackupOrigin;
}

/** The document as stored, with its own checksum. Texts that are too long are cut. */
export function encodeMetadata(metadata: BackupMetadata): Buffer {
  return encodeSealed(documentOf(metadata));
}

function documentOf(m: BackupMetadata): Readonly<Record<string, unknown>> {
  return {
    format_version: metadataVersion,
    id: m.id,
    type: m.type,
    part_of: m.partOf,
    parts: m.parts,
    source: m.source,
    host: m.host,
    started_at: m.startedAt,
    duration_ms: m.durationMs,
    source_bytes: m.sourceBytes,
    stored_bytes: m.files.reduce((sum, file) => sum + file.sizeBytes, 0),
    state: m.state,
    state_reason: cut(m.stateReason),
    incomplete: m.incomplete,
    ...(m.suspect === true ? { suspect: true } : {}),
    safety: m.safety,
    tags: m.tags,
    counts: countsOf(m.counts),
    compression: m.compression,
    files: m.files.map((file) => ({
      name: file.name,
      role: file.role,
      size_bytes: file.sizeBytes,
      sha256: file.sha256,
    })),
    databases: m.databases.map(databaseOf),
    roots: m.roots.map((root) => ({ name: root.name, path: root.path })),
    problem_count: m.problemCount,
    problems: m.problems.slice(0, problemsMax).map((problem) => ({
      kind: problem.kind,
      path: problem.path.slice(0, problemPathCharactersMax),
      message: cut(problem.message),
    })),
    ...(m.copiedFrom === undefined
      ? {}
      : { copied_from: { id: cut(m.copiedFrom.id), vault: cut(m.copiedFrom.vault) } }),
    tool_version: m.toolVersion,
  };
}

function countsOf(counts: BackupCounts): unknown {
  return {
    databases: counts.databases,
    files: counts.files,
    directories: counts.directories,
    symlinks: counts.symlinks,
    unchanged_files: counts.unchangedFiles,
  };
}

function databaseOf(database: MetadataDatabase): unknown {
  return {
    name: database.name,
    path: database.path,
    file: database.file,
    size_bytes: database.sizeBytes,
    sha256: database.sha256,
    page_size_bytes: database.pageSizeBytes,
    journal_mode: database.journalMode,
    check: {
      method: database.check.method,
      ok: database.check.ok,
      messages: database.check.messages.slice(0, 10).map(cut),
    },
    mode: database.mode,
    uid: database.uid,
    gid: database.gid,
  };
}

function cut(text: string): string {
  return text.slice(0, textCharactersMax);
}
