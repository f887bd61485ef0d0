/**
 * The manifest of a backup in a repository: what a restic snapshot cannot say. It
 * is a file of the backup's own tree, because restic drops JSON fields it does not
 * know when it rewrites a snapshot, and a field of the snapshot, where it is read
 * at once. `manifest-parse.ts` reads it back; docs/decisions/0007 says why.
 *
 * @module
 */

import type {
  Backup,
  BackupCounts,
  BackupDatabase,
  BackupOrigin,
  BackupState,
  BackupType,
  Problem,
} from "../../domain/backup.ts";
import type { EntryRoot } from "../../domain/entry.ts";
import { textCharactersMax } from "../archive/metadata-fields.ts";
import type { ObjectId } from "./model.ts";

/** What this program writes, and the newest it reads. */
export const manifestVersion = 1;

/** The folder at the top of a backup's tree that holds what is ours. */
export const ownFolderName = ".vertex-backup";
/** The manifest's name inside {@link ownFolderName}. */
export const manifestFileName = "manifest.json";
/** The field of a snapshot that carries the manifest. */
export const manifestField = "vertex_backup";

/** Problems a manifest carries; `problemCount` counts all. */
export const manifestProblemsMax = 1_000;
/** A thousand long problems take 6 MB; what is larger than this is not ours. */
export const manifestBytesMax: number = 32 * 1024 * 1024;
/** Longest path of a problem that is kept, so that a thousand of them stay below the limit above. */
const problemPathCharactersMax = 4_096;

export interface ManifestDatabase extends Omit<BackupDatabase, "sha256"> {
  /** Absolute path of its file in the tree, components joined by "/". */
  readonly treePath: string;
}

export interface ManifestRoot extends EntryRoot {
  /** Absolute path of its folder in the tree. Where the folder was missing, nothing is there. */
  readonly treePath: string;
  /** Its tree as it was stored: another program may leave something out when it writes the snapshot anew. */
  readonly tree?: ObjectId;
}

export interface Manifest {
  readonly type: BackupType;
  readonly source: string;
  readonly host: string;
  /** ISO 8601 with offset, to the millisecond. */
  readonly startedAt: string;
  readonly startedAtMs: number;
  readonly durationMs: number;
  readonly sourceBytes: number;
  /** Bytes of new blobs as they lie in packs, the manifest and the folders above the roots left out. */
  readonly storedBytes: number;
  readonly counts: BackupCounts;
  readonly databases: readonly ManifestDatabase[];
  readonly roots: readonly ManifestRoot[];
  readonly state: Exclude<BackupState, "unverified">;
  readonly stateReason: string;
  /** Some file could not be read, whatever `state` says: what a suspect backup becomes when it is confirmed. */
  readonly incomplete: boolean;
  /** Nobody has confirmed it yet, also where `state` says damaged. */
  readonly suspect: boolean;
  readonly safety: boolean;
  readonly tags: readonly string[];
  readonly problems: readonly Problem[];
  readonly problemCount: number;
  readonly toolVersion: string;
  /** Present on a copy of a backup of another vault. */
  readonly copiedFrom?: BackupOrigin;
}

/** The manifest as JSON text. Texts that are too long are cut. */
export function encodeManifest(m: Manifest): string {
  return JSON.stringify({
    format_version: manifestVersion,
    type: m.type,
    source: m.source,
    host: m.host,
    started_at: m.startedAt,
    duration_ms: m.durationMs,
    source_bytes: m.sourceBytes,
    stored_bytes: m.storedBytes,
    state: m.state,
    state_reason: cut(m.stateReason),
    incomplete: m.incomplete,
    suspect: m.suspect,
    safety: m.safety,
    tags: m.tags,
    counts: {
      databases: m.counts.databases,
      files: m.counts.files,
      directories: m.counts.directories,
      symlinks: m.counts.symlinks,
      unchanged_files: m.counts.unchangedFiles,
    },
    databases: m.databases.map(databaseOf),
    roots: m.roots.map(({ name, path, treePath, tree }) => ({
      ...{ name, path, tree_path: treePath },
      ...(tree === undefined ? {} : { tree }),
    })),
    problem_count: m.problemCount,
    problems: m.problems.slice(0, manifestProblemsMax).map(({ kind, path, message }) => ({
      kind,
      path: path.slice(0, problemPathCharactersMax),
      message: cut(message),
    })),
    ...(m.copiedFrom === undefined
      ? {}
      : { copied_from: { id: cut(m.copiedFrom.id), vault: cut(m.copiedFrom.vault) } }),
    tool_version: m.toolVersion,
  });
}

/** What a vault tells of the backup, without what records beside it say. */
export function backupOfManifest(manifest: Manifest, id: string): Backup {
  const { incomplete: _, suspect, databases, roots, ...same } = manifest;
  return {
    ...same,
    id,
    ...(suspect ? { suspect } : {}),
    pinned: false,
    databases: databases.map(({ treePath: __, ...database }) => database),
    roots: roots.map(({ name, path }) => ({ name, path })),
    files: [],
  };
}

function databaseOf(database: ManifestDatabase): unknown {
  return {
    name: database.name,
    path: database.path,
    tree_path: database.treePath,
    size_bytes: database.sizeBytes,
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
