/**
 * What a vault tells of a snapshot: as its manifest has it where it is ours, else
 * as far as restic's own fields say. Pure; `vault/recorded-facts.ts` adds the
 * records beside it.
 *
 * @module
 */

import { basename } from "node:path/posix";
import type { Backup } from "../../domain/backup.ts";
import type { EntryRoot } from "../../domain/entry.ts";
import { copiedFromField, parseCopiedFrom } from "../../format/restic/copied-from.ts";
import { backupOfManifest, type Manifest, manifestField } from "../../format/restic/manifest.ts";
import { type ParsedManifest, parseManifest } from "../../format/restic/manifest-parse.ts";
import type { SnapshotDocument } from "../../format/restic/model.ts";
import { unknownBackup } from "../unknown-backup.ts";

/** A backup, and what its manifest says besides. */
export interface DescribedBackup {
  readonly backup: Backup;
  /** Undefined where there is none that can be read. */
  readonly manifest: Manifest | undefined;
}

/** The tag of every snapshot of ours. */
const ownTag = "vertex-backup";

/** What a snapshot of ours is given before the tags of people. */
export function ownTags(type: string, source: string): readonly string[] {
  return [ownTag, `type:${type}`, `source:${source}`];
}

/** What the source of restic's own snapshots is called. */
const foreignSource = "restic";

/** The manifest in the snapshot itself; undefined where it has none. */
export function manifestInSnapshot({ others }: SnapshotDocument): ParsedManifest | undefined {
  const text = others?.get(manifestField);
  return text === undefined ? undefined : parseManifest(text);
}

/**
 * Whether a snapshot without a manifest of its own may have one in its tree: restic drops fields it
 * does not know when it rewrites a snapshot, and people may take tags away. What was copied as another
 * program's stays that, even where that program has backed up files of ours, a manifest among them.
 */
export function mayHaveManifest({ tags, original, programVersion, others }: SnapshotDocument): boolean {
  if (others?.has(copiedFromField) === true) return false;
  return tags.includes(ownTag) || original !== undefined || programVersion.startsWith(ownTag);
}

/** @param parsed The manifest; undefined for a snapshot that is not ours */
export function describeSnapshot(
  id: string,
  document: SnapshotDocument,
  parsed: ParsedManifest | undefined,
): DescribedBackup {
  if (parsed === undefined) return { backup: describeForeign(id, document), manifest: undefined };
  if (parsed.outcome === "ours") {
    const { manifest } = parsed;
    return { backup: { ...backupOfManifest(manifest, id), tags: tagsOf(manifest, document) }, manifest };
  }
  const reason =
    parsed.outcome === "newer"
      ? `its manifest has format ${parsed.formatVersion}, which a newer version of this program wrote`
      : `its manifest cannot be read: ${parsed.reason}`;
  const backup = describeForeign(id, document);
  return { backup: { ...backup, source: "", state: "damaged", stateReason: reason }, manifest: undefined };
}

/** Those people gave it, and took away, since: `restic tag` changes only the snapshot. */
function tagsOf({ type, source }: Manifest, { tags }: SnapshotDocument): readonly string[] {
  const own = new Set(ownTags(type, source));
  // Each once: people may have given one that is called the same.
  return tags.filter((tag) => !own.delete(tag));
}

/** A snapshot whose file cannot be read. It is shown, and never removed. */
export function describeUnreadable(id: string, reason: string): Backup {
  return { ...unknownBackup({ id, type: "full", startedAtMs: 0, state: "damaged" }), stateReason: reason };
}

function describeForeign(id: string, document: SnapshotDocument): Backup {
  const { summary, timeMs } = document;
  const copiedFrom = parseCopiedFrom(document.others?.get(copiedFromField) ?? "");
  return {
    ...unknownBackup({ id, type: "storage", startedAtMs: timeMs, state: "good" }),
    source: foreignSource,
    host: document.hostname,
    tags: document.tags,
    durationMs: durationOf(document),
    sourceBytes: summary?.totalBytesProcessed ?? 0,
    storedBytes: summary?.dataAddedPackedBytes ?? 0,
    counts: {
      databases: 0,
      files: summary?.totalFilesProcessed ?? 0,
      directories: (summary?.dirsNew ?? 0) + (summary?.dirsChanged ?? 0) + (summary?.dirsUnmodified ?? 0),
      symlinks: 0,
      unchangedFiles: summary?.filesUnmodified ?? 0,
    },
    roots: foreignRoots(document.paths),
    toolVersion: document.programVersion,
    ...(copiedFrom === undefined ? {} : { copiedFrom }),
  };
}

function durationOf({ summary, timeMs }: SnapshotDocument): number {
  const endMs = Date.parse(summary?.backupEnd ?? "");
  return Number.isNaN(endMs) ? 0 : Math.max(0, endMs - timeMs);
}

/**
 * The folders restic was told to back up, outermost only. What is no absolute path here, a
 * drive of Windows for one, can only be restored to a folder that is named.
 */
export function foreignRoots(paths: readonly string[]): readonly EntryRoot[] {
  const absolute = [...new Set(paths)].filter((path) => path.startsWith("/"));
  const outer = absolute.filter((path) => !absolute.some((other) => isInside(path, other)));
  const taken = new Set<string>();
  return outer.sort().map((path) => ({ name: freeName(basename(path) || "root", taken), path }));
}

function isInside(path: string, other: string): boolean {
  return path !== other && path.startsWith(other.endsWith("/") ? other : `${other}/`);
}

/** Two folders may end in the same name: the second becomes `name-2`. */
function freeName(wanted: string, taken: Set<string>): string {
  let name = wanted;
  for (let n = 2; taken.has(name); n++) name = `${wanted}-${n}`;
  taken.add(name);
  return name;
}
