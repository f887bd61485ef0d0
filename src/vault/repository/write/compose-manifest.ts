/**
 * Puts together the documents of a backup that has been stored: its manifest, and the
 * snapshot that names it. Pure.
 *
 * @module
 */

import { type BackupCounts, incompleteKinds, type Problem } from "../../../domain/backup.ts";
import { isoWithOffset } from "../../../domain/clock.ts";
import {
  type Manifest,
  type ManifestDatabase,
  type ManifestRoot,
  manifestField,
  manifestProblemsMax,
} from "../../../format/restic/manifest.ts";
import type { ObjectId, SnapshotDocument, SnapshotSummary } from "../../../format/restic/model.ts";
import { formatTime } from "../../../format/restic/times.ts";
import type { ProblemLog } from "../../problem-log.ts";
import type { BackupSummary, BeginOptions } from "../../vault.ts";
import { ownTags } from "../describe-backup.ts";
import type { AddedBlobs } from "../store/blob-store.ts";
import type { ThisUser } from "../this-user.ts";

/** What was stored. */
export interface WrittenBackup {
  readonly begun: BeginOptions;
  readonly summary: BackupSummary;
  readonly databases: readonly ManifestDatabase[];
  readonly roots: readonly ManifestRoot[];
  readonly problems: Pick<ProblemLog, "problems" | "count" | "incomplete">;
  readonly counts: BackupCounts;
  readonly sourceBytes: number;
  readonly storedBytes: number;
  readonly toolVersion: string;
}

export function composeManifest(written: WrittenBackup): Manifest {
  const { begun, summary, databases, roots, counts, sourceBytes, storedBytes, toolVersion } = written;
  const problems = [...summary.problems, ...written.problems.problems].slice(0, manifestProblemsMax);
  const problemCount = summary.problemCount + written.problems.count;
  return {
    type: begun.type,
    source: begun.source,
    host: begun.host,
    startedAt: isoWithOffset(begun.startedAtMs),
    startedAtMs: begun.startedAtMs,
    durationMs: Math.max(0, Math.round(summary.durationMs())),
    sourceBytes,
    storedBytes,
    counts,
    databases,
    roots,
    ...stateOf(written, problems, problemCount),
    safety: begun.safety,
    tags: begun.tags,
    problems,
    problemCount,
    toolVersion,
    ...(begun.copiedFrom === undefined ? {} : { copiedFrom: begun.copiedFrom }),
  };
}

function stateOf(
  { databases, summary, counts, sourceBytes, problems: stored }: WrittenBackup,
  problems: readonly Problem[],
  problemCount: number,
): Pick<Manifest, "state" | "stateReason" | "incomplete" | "suspect"> {
  const incomplete = stored.incomplete || problems.some(({ kind }) => incompleteKinds.has(kind));
  const reason = summary.suspect(counts, sourceBytes);
  const suspect = reason !== "";
  const bad = databases.find((database) => !database.check.ok);
  if (bad !== undefined) {
    const failed = `database ${bad.name} failed its check: ${bad.check.messages[0] ?? "it could not be opened"}`;
    const stateReason = suspect ? `${failed}; it is suspect as well: ${reason}` : failed;
    return { state: "damaged", stateReason, incomplete, suspect };
  }
  if (suspect) return { state: "suspect", stateReason: reason, incomplete, suspect };
  if (!incomplete) return { state: "good", stateReason: "", incomplete, suspect };
  return { state: "incomplete", stateReason: incompleteReason(problems, problemCount), incomplete, suspect };
}

function incompleteReason(problems: readonly Problem[], problemCount: number): string {
  const first = problems.find(({ kind }) => incompleteKinds.has(kind));
  const count = problemCount === 1 ? "1 problem" : `${problemCount} problems`;
  return first === undefined ? count : `${count}, first ${first.path}: ${first.message}`;
}

/** The snapshot as restic reads it. */
export function composeSnapshot(
  manifest: Manifest,
  manifestText: string,
  facts: {
    readonly tree: ObjectId;
    readonly parent: ObjectId | undefined;
    readonly user: ThisUser;
    readonly added: AddedBlobs;
  },
): SnapshotDocument {
  const { startedAtMs, source, type, tags, toolVersion } = manifest;
  return {
    time: formatTime(BigInt(startedAtMs) * 1_000_000n),
    timeMs: startedAtMs,
    ...(facts.parent === undefined ? {} : { parent: facts.parent }),
    tree: facts.tree,
    paths: pathsOf(manifest),
    hostname: manifest.host,
    ...facts.user,
    excludes: [],
    tags: [...ownTags(type, source), ...tags],
    programVersion: `vertex-backup ${toolVersion}`,
    summary: summaryOf(manifest, facts.added),
    others: new Map([[manifestField, manifestText]]),
  };
}

/** What restic would have been told: folders, and databases that lie in none of them. */
function pathsOf({ roots, databases }: Manifest): readonly string[] {
  const folders = roots.map(({ path }) => path);
  const alone = databases
    .map(({ path }) => path)
    .filter(
      (path) => !folders.some((folder) => path.startsWith(folder.endsWith("/") ? folder : `${folder}/`)),
    );
  return [...new Set([...folders, ...alone])].filter((path) => path !== "").sort();
}

function summaryOf(manifest: Manifest, added: AddedBlobs): SnapshotSummary {
  const { counts, databases, startedAtMs, durationMs, sourceBytes } = manifest;
  const time = (ms: number): string => formatTime(BigInt(Math.round(ms)) * 1_000_000n);
  return {
    backupStart: time(startedAtMs),
    backupEnd: time(startedAtMs + durationMs),
    filesNew: counts.files - counts.unchangedFiles + databases.length,
    filesChanged: 0,
    filesUnmodified: counts.unchangedFiles,
    dirsNew: counts.directories,
    dirsChanged: 0,
    dirsUnmodified: 0,
    dataBlobs: added.dataBlobs,
    treeBlobs: added.treeBlobs,
    dataAddedBytes: added.plainBytes,
    dataAddedPackedBytes: added.packedBytes,
    totalFilesProcessed: counts.files + databases.length,
    totalBytesProcessed: sourceBytes,
  };
}
