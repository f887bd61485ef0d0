/**
 * Reads manifests. They come out of a repository that several programs write, so
 * one may be damaged or from a newer version: that is an answer, not an error.
 *
 * @module
 */

import { type BackupOrigin, backupTypes, type DatabaseCheck, type Problem } from "../../domain/backup.ts";
import { errorText } from "../../domain/error.ts";
import { MetadataFields, pathCharactersMax } from "../archive/metadata-fields.ts";
import {
  type Manifest,
  type ManifestDatabase,
  type ManifestRoot,
  manifestBytesMax,
  manifestProblemsMax,
  manifestVersion,
} from "./manifest.ts";

/**
 * - `ours`: understood
 * - `newer`: a later version wrote it
 * - `damaged`: neither
 */
export type ParsedManifest =
  | { readonly outcome: "ours"; readonly manifest: Manifest }
  | { readonly outcome: "newer"; readonly formatVersion: number }
  | { readonly outcome: "damaged"; readonly reason: string };

/** Databases and folders a manifest may name: far beyond any source, and bounded. */
const partsMax = 10_000;
const tagsMax = 1_000;

/** @param text JSON, as it stands in the snapshot or in the manifest's own file */
export function parseManifest(text: string): ParsedManifest {
  // A character is a byte at least.
  if (text.length > manifestBytesMax) return { outcome: "damaged", reason: "the manifest is too long" };
  try {
    const fields = new MetadataFields(JSON.parse(text), "manifest");
    const formatVersion = fields.wholeFrom("format_version", 1);
    if (formatVersion > manifestVersion) return { outcome: "newer", formatVersion };
    return { outcome: "ours", manifest: parseFields(fields) };
  } catch (error) {
    // JSON nested a million deep ends in a RangeError.
    if (!(error instanceof SyntaxError || error instanceof RangeError)) throw error;
    return { outcome: "damaged", reason: errorText(error) };
  }
}

function parseFields(fields: MetadataFields): Manifest {
  const counts = fields.fields("counts");
  return {
    type: fields.oneOf("type", backupTypes),
    source: fields.text("source"),
    host: fields.text("host"),
    startedAt: fields.text("started_at"),
    startedAtMs: fields.time("started_at"),
    durationMs: fields.count("duration_ms"),
    sourceBytes: fields.count("source_bytes"),
    storedBytes: fields.count("stored_bytes"),
    counts: {
      databases: counts.count("databases"),
      files: counts.count("files"),
      directories: counts.count("directories"),
      symlinks: counts.count("symlinks"),
      unchangedFiles: counts.count("unchanged_files"),
    },
    databases: fields.objects("databases", partsMax, parseDatabase),
    roots: fields.objects("roots", partsMax, parseRoot),
    state: fields.oneOf("state", ["good", "incomplete", "suspect", "damaged"]),
    stateReason: fields.text("state_reason"),
    incomplete: fields.flag("incomplete"),
    suspect: fields.flag("suspect"),
    safety: fields.flag("safety"),
    tags: fields.texts("tags", tagsMax),
    problems: fields.objects("problems", manifestProblemsMax, parseProblem),
    problemCount: fields.count("problem_count"),
    toolVersion: fields.text("tool_version"),
    ...(fields.has("copied_from") ? { copiedFrom: parseOrigin(fields.fields("copied_from")) } : {}),
  };
}

function parseDatabase(fields: MetadataFields): ManifestDatabase {
  return {
    name: fields.text("name"),
    path: fields.text("path", pathCharactersMax),
    treePath: treePathOf(fields),
    sizeBytes: fields.count("size_bytes"),
    pageSizeBytes: fields.count("page_size_bytes"),
    journalMode: fields.text("journal_mode"),
    check: parseCheck(fields.fields("check")),
    mode: fields.count("mode"),
    // Owner -1 is unknown, as of files that came without metadata.
    uid: fields.wholeFrom("uid", -1),
    gid: fields.wholeFrom("gid", -1),
  };
}

function parseCheck(fields: MetadataFields): DatabaseCheck {
  return {
    method: fields.oneOf("method", ["quick_check", "integrity_check", "not-run"]),
    ok: fields.flag("ok"),
    messages: fields.texts("messages", 10),
  };
}

function parseRoot(fields: MetadataFields): ManifestRoot {
  const path = fields.text("path", pathCharactersMax);
  const root = { name: fields.text("name"), path, treePath: treePathOf(fields) };
  return fields.has("tree") ? { ...root, tree: fields.text("tree") } : root;
}

function treePathOf(fields: MetadataFields): string {
  const path = fields.text("tree_path", pathCharactersMax);
  const components = path.split("/");
  const isPlain =
    components.length > 1 &&
    components.every((name, i) => (i === 0 ? name === "" : name !== "" && name !== "." && name !== ".."));
  if (!isPlain) throw new SyntaxError(`manifest names ${path.slice(0, 100)}, which is no path in a tree`);
  return path;
}

function parseProblem(fields: MetadataFields): Problem {
  return {
    kind: fields.oneOf("kind", [
      "changed-while-read",
      "vanished",
      "unreadable",
      "special-file",
      "not-captured",
      "reference-missing",
      "reference-deleted",
    ]),
    path: fields.text("path", pathCharactersMax),
    message: fields.text("message"),
  };
}

function parseOrigin(fields: MetadataFields): BackupOrigin {
  return { id: fields.text("id"), vault: fields.text("vault") };
}
