/**
 * Puts together the metadata of a backup that has been written: of its parts, and
 * of the whole. Pure.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { type BackupCounts, incompleteKinds, type Problem } from "../../domain/backup.ts";
import { isoWithOffset } from "../../domain/clock.ts";
import { BackupError } from "../../domain/error.ts";
import { archiveName, backupId, contentsName, metadataName } from "../../format/archive/file-names.ts";
import {
  type BackupMetadata,
  encodeMetadata,
  type MetadataDatabase,
  type MetadataFile,
  metadataSizeBytesMax,
  problemsMax,
} from "../../format/archive/metadata.ts";
import { parseMetadata } from "../../format/archive/metadata-parse.ts";
import type { BackupSummary, BeginOptions } from "../vault.ts";
import type { ArchiveResult } from "./bytes/archive-writer.ts";

export interface WrittenBackup {
  readonly stamp: string;
  readonly begun: BeginOptions;
  readonly toolVersion: string;
  readonly databases: readonly MetadataDatabase[];
  /** Absent for a backup without folders. */
  readonly archive: ArchiveResult | undefined;
  readonly summary: BackupSummary;
  readonly durationMs: number;
}

export interface MetadataDocument {
  readonly name: string;
  readonly metadata: BackupMetadata;
  readonly bytes: Buffer;
}

/** The documents in the order they are to be stored: the one that makes the backup visible is the last (I1). */
export function composeMetadata(written: WrittenBackup): readonly MetadataDocument[] {
  const { stamp, begun, databases, archive } = written;
  if (begun.type === "database") return [documentOf(databaseMetadata(written, undefined))];
  if (begun.type === "storage") return [documentOf(storageMetadata(written, undefined))];
  const id = backupId("full", stamp);
  const parts = [
    ...(databases.length > 0 ? [documentOf(databaseMetadata(written, id))] : []),
    ...(archive === undefined ? [] : [documentOf(storageMetadata(written, id))]),
  ];
  return [...parts, documentOf(fullMetadata(written, id, parts))];
}

/**
 * Refuses what could not be read back, before hours of work instead of after.
 *
 * @throws {BackupError} `invalid-input`
 */
export function checkDescribable(begun: BeginOptions, toolVersion: string): void {
  const durationMs = 0;
  const summary = { problems: [], problemCount: 0, suspect: () => "", durationMs: () => durationMs };
  const stored = { stamp: "20000101_000000", databases: [], archive: undefined };
  const nothing = { ...stored, summary, durationMs, toolVersion };
  for (const document of composeMetadata({ ...nothing, begun: { ...begun, type: "full" } })) {
    const reason = whyUnreadableBack(document);
    if (reason !== "") throw new BackupError("invalid-input", `Cannot describe the backup: ${reason}`);
  }
}

/** Why a document could not be used if it were stored; empty when it can. */
export function whyUnreadableBack({ bytes, metadata }: MetadataDocument): string {
  if (bytes.byteLength > metadataSizeBytesMax) return `its metadata would have ${bytes.byteLength} bytes`;
  const parsed = parseMetadata(bytes, metadata.id);
  if (parsed.outcome === "ours") return "";
  return parsed.outcome === "damaged" ? parsed.reason : `its metadata would be ${parsed.outcome}`;
}

function documentOf(metadata: BackupMetadata): MetadataDocument {
  return { name: metadataName(metadata.id), metadata, bytes: encodeMetadata(metadata) };
}

function fullMetadata(
  written: WrittenBackup,
  id: string,
  parts: readonly MetadataDocument[],
): BackupMetadata {
  const partFiles = parts.map(({ name, bytes }) => ({
    name,
    role: "metadata" as const,
    sizeBytes: bytes.byteLength,
    sha256: createHash("sha256").update(bytes).digest("hex"),
  }));
  return {
    ...common(written),
    id,
    type: "full",
    parts: parts.map((part) => part.metadata.id),
    sourceBytes: databaseBytes(written) + (written.archive?.sourceBytes ?? 0),
    counts: countsOf(written, "full"),
    files: [...databaseFiles(written), ...archiveFiles(written), ...partFiles],
    databases: written.databases,
    roots: written.begun.roots,
    compression: written.archive === undefined ? "none" : "gzip",
    ...stateOf(written, "full"),
  };
}

function databaseMetadata(written: WrittenBackup, partOf: string | undefined): BackupMetadata {
  return {
    ...common(written),
    id: backupId("database", written.stamp),
    type: "database",
    ...(partOf === undefined ? {} : { partOf }),
    sourceBytes: databaseBytes(written),
    counts: countsOf(written, "database"),
    files: databaseFiles(written),
    databases: written.databases,
    roots: [],
    compression: "none",
    ...stateOf(written, partOf === undefined ? "full" : "database"),
  };
}

function storageMetadata(written: WrittenBackup, partOf: string | undefined): BackupMetadata {
  return {
    ...common(written),
    id: backupId("storage", written.stamp),
    type: "storage",
    ...(partOf === undefined ? {} : { partOf }),
    sourceBytes: written.archive?.sourceBytes ?? 0,
    counts: countsOf(written, "storage"),
    files: archiveFiles(written),
    databases: [],
    roots: written.begun.roots,
    compression: "gzip",
    ...stateOf(written, partOf === undefined ? "full" : "storage"),
  };
}

function common({
  begun,
  durationMs,
  toolVersion,
}: WrittenBackup): Pick<
  BackupMetadata,
  | "parts"
  | "source"
  | "host"
  | "startedAt"
  | "startedAtMs"
  | "durationMs"
  | "safety"
  | "tags"
  | "toolVersion"
  | "copiedFrom"
> {
  return {
    parts: [],
    source: begun.source,
    host: begun.host,
    startedAt: isoWithOffset(begun.startedAtMs),
    startedAtMs: begun.startedAtMs,
    durationMs: Math.max(0, Math.round(durationMs)),
    safety: begun.safety,
    tags: begun.tags,
    toolVersion,
    ...(begun.copiedFrom === undefined ? {} : { copiedFrom: begun.copiedFrom }),
  };
}

type Scope = "full" | "database" | "storage";

/** State and problems, of the whole backup or of one part of it: a part does not answer for the other. */
function stateOf(
  written: WrittenBackup,
  scope: Scope,
): Pick<BackupMetadata, "state" | "stateReason" | "suspect" | "incomplete" | "problems" | "problemCount"> {
  const { archive, summary, databases } = written;
  const inArchive = scope === "database" ? [] : (archive?.problems ?? []);
  const inSummary = scope === "full" ? summary.problems : [];
  const problems = [...inSummary, ...inArchive].slice(0, problemsMax);
  const problemCount =
    (scope === "database" ? 0 : (archive?.problemCount ?? 0)) + (scope === "full" ? summary.problemCount : 0);
  const incomplete =
    problems.some((problem) => incompleteKinds.has(problem.kind)) ||
    (scope !== "database" && archive?.incomplete === true);
  const bad = scope === "storage" ? undefined : databases.find((database) => !database.check.ok);
  const suspect = scope === "full" ? summary.suspect(countsOf(written, "full"), sourceBytesOf(written)) : "";
  const rest = { incomplete, problems, problemCount };
  if (bad !== undefined && suspect !== "") {
    const stateReason = `${failedCheck(bad)}; it is suspect as well: ${suspect}`;
    return { state: "damaged", stateReason, suspect: true, ...rest };
  }
  if (bad !== undefined) return { state: "damaged", stateReason: failedCheck(bad), ...rest };
  if (suspect !== "") return { state: "suspect", stateReason: suspect, ...rest };
  if (incomplete)
    return { state: "incomplete", stateReason: incompleteReason(problems, problemCount), ...rest };
  return { state: "good", stateReason: "", ...rest };
}

function failedCheck(database: MetadataDatabase): string {
  const message = database.check.messages[0] ?? "it could not be opened";
  return `database ${database.name} failed its check: ${message}`;
}

function incompleteReason(problems: readonly Problem[], problemCount: number): string {
  const first = problems.find((problem) => incompleteKinds.has(problem.kind));
  const count = problemCount === 1 ? "1 problem" : `${problemCount} problems`;
  return first === undefined ? count : `${count}, first ${first.path}: ${first.message}`;
}

function countsOf({ databases, archive }: WrittenBackup, scope: Scope): BackupCounts {
  const inArchive = scope === "database" ? undefined : archive?.counts;
  return {
    databases: scope === "storage" ? 0 : databases.length,
    files: inArchive?.files ?? 0,
    directories: inArchive?.directories ?? 0,
    symlinks: inArchive?.symlinks ?? 0,
    unchangedFiles: inArchive?.unchangedFiles ?? 0,
  };
}

function databaseBytes({ databases }: WrittenBackup): number {
  return databases.reduce((sum, database) => sum + database.sizeBytes, 0);
}

function sourceBytesOf(written: WrittenBackup): number {
  return databaseBytes(written) + (written.archive?.sourceBytes ?? 0);
}

function databaseFiles({ databases }: WrittenBackup): readonly MetadataFile[] {
  return databases.map(({ file, sizeBytes, sha256 }) => ({
    name: file,
    role: "database",
    sizeBytes,
    sha256,
  }));
}

function archiveFiles({ stamp, archive }: WrittenBackup): readonly MetadataFile[] {
  if (archive === undefined) return [];
  return [
    { name: archiveName(stamp), role: "archive", ...sizeAndSum(archive.archive) },
    { name: contentsName(stamp), role: "contents", ...sizeAndSum(archive.contents) },
  ];
}

function sizeAndSum(object: ArchiveResult["archive"]): Pick<MetadataFile, "sizeBytes" | "sha256"> {
  return { sizeBytes: object.sizeBytes, sha256: object.sha256 };
}
