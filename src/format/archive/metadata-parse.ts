/**
 * Reads metadata documents. They may be damaged, from a newer version, or from
 * the Python original, and each of these is an answer, not an error: a vault
 * with one bad document still lists the rest.
 *
 * @module
 */

import type { BackupFile, BackupOrigin, DatabaseCheck, Problem, ProblemKind } from "../../domain/backup.ts";
import { backupTypes } from "../../domain/backup.ts";
import type { EntryRoot } from "../../domain/entry.ts";
import { errorText } from "../../domain/error.ts";
import { parseBackupId, parseObjectName, partTypes } from "./file-names.ts";
import {
  type BackupMetadata,
  type MetadataDatabase,
  type MetadataFile,
  metadataVersion,
  problemsMax,
} from "./metadata.ts";
import { MetadataFields, pathCharactersMax } from "./metadata-fields.ts";
import { checkSeal } from "./sealed-document.ts";

/**
 * - `ours`: understood
 * - `newer`: a later version wrote it
 * - `foreign`: a JSON document that is not of this program, as the Python original wrote
 * - `damaged`: neither, or not what was written: a document says itself what its checksum is
 */
export type ParsedMetadata =
  | { readonly outcome: "ours"; readonly metadata: BackupMetadata }
  | { readonly outcome: "newer"; readonly formatVersion: number }
  | { readonly outcome: "foreign" }
  | { readonly outcome: "damaged"; readonly reason: string };

/** Databases, folders and files a document may name: far beyond any source, and bounded. */
const partsMax = 10_000;
const tagsMax = 1_000;
const sha256Pattern = /^[0-9a-f]{64}$/;

const notAsWritten = "it does not match its own checksum";

const problemKinds: readonly ProblemKind[] = [
  "changed-while-read",
  "vanished",
  "unreadable",
  "special-file",
  "not-captured",
  "reference-missing",
  "reference-deleted",
];

/** @param id What the document's own name says it describes; a document that says otherwise is damaged */
export function parseMetadata(bytes: Buffer, id: string): ParsedMetadata {
  const seal = checkSeal(bytes);
  // Before anything is believed: a flipped bit may look like another version, or like no version.
  if (seal === "changed") return { outcome: "damaged", reason: notAsWritten };
  try {
    const fields = new MetadataFields(JSON.parse(bytes.toString("utf8")), "metadata");
    if (seal === "unsealed" && !fields.has("format_version")) return { outcome: "foreign" };
    const formatVersion = fields.wholeFrom("format_version", 1);
    if (formatVersion > metadataVersion) return { outcome: "newer", formatVersion };
    if (seal === "unsealed") return { outcome: "damaged", reason: notAsWritten };
    return { outcome: "ours", metadata: parseFields(fields, id) };
  } catch (error) {
    if (error instanceof SyntaxError) return { outcome: "damaged", reason: errorText(error) };
    throw error;
  }
}

function parseFields(fields: MetadataFields, id: string): BackupMetadata {
  if (fields.text("id") !== id) throw new SyntaxError(`metadata.id is not ${id}`);
  const type = fields.oneOf("type", backupTypes);
  if (parseBackupId(id)?.type !== type) throw new SyntaxError(`metadata.type is not that of ${id}`);
  const files = fields.objects("files", 2 * partsMax, (file) => parseFile(file, id));
  return {
    id,
    type,
    ...(fields.has("part_of") ? { partOf: parseId(fields.text("part_of")) } : {}),
    parts: fields.texts("parts", 2).map(parseId),
    source: fields.text("source"),
    host: fields.text("host"),
    startedAt: fields.text("started_at"),
    startedAtMs: fields.time("started_at"),
    durationMs: fields.count("duration_ms"),
    sourceBytes: fields.count("source_bytes"),
    counts: parseCounts(fields.fields("counts")),
    files,
    databases: fields.objects("databases", partsMax, (database) => parseDatabase(database, files)),
    roots: fields.objects("roots", partsMax, parseRoot),
    compression: fields.oneOf("compression", ["gzip", "none"]),
    state: fields.oneOf("state", ["good", "incomplete", "suspect", "damaged"]),
    stateReason: fields.text("state_reason"),
    incomplete: fields.flag("incomplete"),
    ...(fields.has("suspect") ? { suspect: fields.flag("suspect") } : {}),
    safety: fields.flag("safety"),
    tags: fields.texts("tags", tagsMax),
    problems: fields.objects("problems", problemsMax, parseProblem),
    problemCount: fields.count("problem_count"),
    toolVersion: fields.text("tool_version"),
    ...(fields.has("copied_from") ? { copiedFrom: parseOrigin(fields.fields("copied_from")) } : {}),
  };
}

function parseId(id: string): string {
  if (parseBackupId(id) === undefined) throw new SyntaxError(`metadata names ${id}, which is not an id`);
  return id;
}

/** A document may name files of its own backup only: never another's, never one outside the vault. */
function parseFile(fields: MetadataFields, id: string): MetadataFile {
  const name = fields.text("name");
  const own = parseBackupId(id);
  const parsed = parseObjectName(name);
  const isOwn =
    own !== undefined &&
    parsed !== undefined &&
    parsed.stamp === own.stamp &&
    partTypes(own.type).includes(parsed.type);
  const role: BackupFile["role"] = fields.oneOf("role", ["database", "archive", "contents", "metadata"]);
  if (!isOwn || parsed.role !== role) throw new SyntaxError(`metadata names ${name}, which is not of ${id}`);
  return {
    name,
    role,
    sizeBytes: fields.count("size_bytes"),
    sha256: fields.matching("sha256", sha256Pattern),
  };
}

function parseDatabase(fields: MetadataFields, files: readonly BackupFile[]): MetadataDatabase {
  const file = fields.text("file");
  if (!files.some((candidate) => candidate.name === file && candidate.role === "database")) {
    throw new SyntaxError(`metadata puts a database into ${file}, which it does not name`);
  }
  return {
    name: fields.text("name"),
    path: fields.text("path", pathCharactersMax),
    file,
    sizeBytes: fields.count("size_bytes"),
    sha256: fields.matching("sha256", sha256Pattern),
    pageSizeBytes: fields.count("page_size_bytes"),
    journalMode: fields.text("journal_mode"),
    check: parseCheck(fields.fields("check")),
    mode: fields.count("mode"),
    uid: fields.count("uid"),
    gid: fields.count("gid"),
  };
}

function parseCheck(fields: MetadataFields): DatabaseCheck {
  return {
    method: fields.oneOf("method", ["quick_check", "integrity_check", "not-run"]),
    ok: fields.flag("ok"),
    messages: fields.texts("messages", 10),
  };
}

function parseCounts(fields: MetadataFields): BackupMetadata["counts"] {
  return {
    databases: fields.count("databases"),
    files: fields.count("files"),
    directories: fields.count("directories"),
    symlinks: fields.count("symlinks"),
    unchangedFiles: fields.count("unchanged_files"),
  };
}

function parseRoot(fields: MetadataFields): EntryRoot {
  return { name: fields.text("name"), path: fields.text("path", pathCharactersMax) };
}

function parseOrigin(fields: MetadataFields): BackupOrigin {
  return { id: fields.text("id"), vault: fields.text("vault") };
}

function parseProblem(fields: MetadataFields): Problem {
  return {
    kind: fields.oneOf("kind", problemKinds),
    path: fields.text("path", pathCharactersMax),
    message: fields.text("message"),
  };
}
