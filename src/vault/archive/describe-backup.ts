/**
 * What a vault tells of a backup, made from its metadata, or from its files alone
 * where there is none. Pure; `vault/recorded-facts.ts` adds the records beside it.
 *
 * @module
 */

import { basename } from "node:path/posix";
import type { Backup, BackupDatabase } from "../../domain/backup.ts";
import { metadataName, parseBackupId, stampToMs } from "../../format/archive/file-names.ts";
import type { BackupMetadata, MetadataDatabase } from "../../format/archive/metadata.ts";
import type { BackupGroup } from "./backup-groups.ts";
import { unknownBackup } from "../unknown-backup.ts";

export function describeOurs(metadata: BackupMetadata, metadataSizeBytes: number): Backup {
  const own = { name: metadataName(metadata.id), role: "metadata", sizeBytes: metadataSizeBytes } as const;
  const files = [...metadata.files, own];
  return {
    id: metadata.id,
    type: metadata.type,
    source: metadata.source,
    host: metadata.host,
    startedAt: metadata.startedAt,
    startedAtMs: metadata.startedAtMs,
    durationMs: metadata.durationMs,
    state: metadata.state,
    stateReason: metadata.stateReason,
    ...(metadata.state === "suspect" || metadata.suspect === true ? { suspect: true } : {}),
    safety: metadata.safety,
    pinned: false,
    tags: metadata.tags,
    sourceBytes: metadata.sourceBytes,
    storedBytes: files.reduce((sum, file) => sum + file.sizeBytes, 0),
    counts: metadata.counts,
    databases: metadata.databases.map(withoutFile),
    roots: metadata.roots,
    files,
    problems: metadata.problems,
    problemCount: metadata.problemCount,
    toolVersion: metadata.toolVersion,
    ...(metadata.copiedFrom === undefined ? {} : { copiedFrom: metadata.copiedFrom }),
  };
}

function withoutFile(database: MetadataDatabase): BackupDatabase {
  const { file: _, ...rest } = database;
  return rest;
}

/** A backup that has files but no metadata of ours: nothing is known but what the names and sizes say. */
export function describeForeign(group: BackupGroup): Backup {
  const databases = group.data
    .filter((object) => object.role === "database")
    .map((object) => foreignDatabase(basename(object.name), object.sizeBytes));
  return {
    ...knownByName(group.id),
    state: "unverified",
    stateReason: "it has no metadata of this program, so there is nothing to check it against",
    sourceBytes: databases.reduce((sum, database) => sum + database.sizeBytes, 0),
    storedBytes: group.data.reduce((sum, object) => sum + object.sizeBytes, 0),
    counts: { databases: databases.length, files: 0, directories: 0, symlinks: 0, unchangedFiles: 0 },
    databases,
    files: group.data.map(({ name, role, sizeBytes }) => ({ name, role, sizeBytes })),
  };
}

/** A database of which only the file is known. Owner -1 leaves the owner as it is. */
function foreignDatabase(name: string, sizeBytes: number): BackupDatabase {
  return {
    name,
    path: "",
    sizeBytes,
    sha256: "",
    pageSizeBytes: 0,
    journalMode: "unknown",
    check: { method: "not-run", ok: true, messages: [] },
    mode: 0o600,
    uid: -1,
    gid: -1,
  };
}

/** A backup whose metadata this version cannot read. It is shown, and never removed. */
export function describeUnreadable(id: string, reason: string, metadataSizeBytes: number): Backup {
  return {
    ...knownByName(id),
    state: "damaged",
    stateReason: reason,
    storedBytes: metadataSizeBytes,
    files: [{ name: metadataName(id), role: "metadata", sizeBytes: metadataSizeBytes }],
  };
}

function knownByName(id: string): Backup {
  const name = parseBackupId(id);
  const startedAtMs = stampToMs(name?.stamp ?? "");
  return unknownBackup({ id, type: name?.type ?? "full", startedAtMs, state: "unverified" });
}

/** The same backup, with something found wrong that its metadata does not know of. */
export function withDamage(backup: Backup, reason: string): Backup {
  return { ...backup, state: "damaged", stateReason: reason };
}
