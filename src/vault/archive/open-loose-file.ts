/**
 * Opens one `.db` or `.tar.gz` that lies outside any vault (B5). With its metadata
 * beside it it is as good as in the vault; without, it is unverified.
 *
 * @module
 */

import { basename, dirname, resolve } from "node:path";
import { isoWithOffset } from "../../domain/clock.ts";
import { BackupError } from "../../domain/error.ts";
import { backupId, type ObjectName, parseObjectName } from "../../format/archive/file-names.ts";
import type { BackupMetadata } from "../../format/archive/metadata.ts";
import type { StoredObject } from "../../storage/storage.ts";
import type { BackupReader } from "../vault.ts";
import { openBackupReader } from "./backup-reader.ts";
import { notingSidecars } from "./database-sidecars.ts";
import { describeForeign, describeOurs, withDamage } from "./describe-backup.ts";
import type { LoadedBackup } from "./load-backup.ts";
import { loadMetadata, whyUnreadable } from "./load-metadata.ts";
import { LooseFiles } from "./loose-files.ts";
import { describeMissing } from "./missing-file.ts";

/**
 * @throws {BackupError} `not-found`; `invalid-input` for a file of another kind; `unsupported` for a
 *   copied database that needs the log beside it; `storage-unavailable`
 */
export async function openLooseFile(path: string, signal: AbortSignal): Promise<BackupReader> {
  const full = resolve(path);
  const name = basename(full);
  const files = new LooseFiles(dirname(full));
  const object = await files.stat(name, signal);
  if (object === undefined) {
    throw new BackupError("not-found", `Cannot open ${full}: there is no such file`);
  }
  const role = roleOf(name);
  if (role === undefined) {
    throw new BackupError(
      "invalid-input",
      `Cannot open ${full} as a backup: it is neither a database nor an archive`,
      {
        hint: "Name a file that ends in .db or in .tar.gz.",
      },
    );
  }
  const parsed = parseObjectName(`${role === "database" ? "database" : "storage"}/${name}`);
  const beside = parsed && (await metadataBeside(files, parsed, signal));
  const described = beside?.metadata && (await describeOne(files, beside.metadata, object, signal));
  const loaded = described ?? describeUnknown(object, role, parsed, beside?.unusable ?? "");
  return openBackupReader(files, await notingSidecars(files, loaded, signal));
}

/** By the end of the name, because a person named this file; everything read from it is checked. */
function roleOf(name: string): "database" | "archive" | undefined {
  if (/\.(?:db3?|sqlite3?)$/i.test(name)) return "database";
  return /\.(?:tar\.gz|tgz)$/i.test(name) ? "archive" : undefined;
}

interface MetadataBeside {
  readonly metadata?: BackupMetadata;
  /** Why what lies there cannot be used, as a clause. */
  readonly unusable?: string;
}

async function metadataBeside(
  files: LooseFiles,
  name: ObjectName,
  signal: AbortSignal,
): Promise<MetadataBeside> {
  const id = backupId(name.type, name.stamp);
  const parsed = (await loadMetadata(files, id, signal))?.parsed ?? { outcome: "foreign" };
  if (parsed.outcome === "ours") return { metadata: parsed.metadata };
  return parsed.outcome === "foreign" ? {} : { unusable: whyUnreadable(id, parsed) };
}

/** What the metadata says, narrowed to the one file that was named. */
async function describeOne(
  files: LooseFiles,
  metadata: BackupMetadata,
  object: StoredObject,
  signal: AbortSignal,
): Promise<LoadedBackup | undefined> {
  const own = metadata.files.find((file) => basename(file.name) === object.name);
  const contents = metadata.files.find((file) => file.role === "contents");
  if (own === undefined) return undefined;
  // Without its contents file an archive is read like one of another program.
  if (own.role === "archive" && (!contents || (await files.stat(contents.name, signal)) === undefined)) {
    return undefined;
  }
  const narrowed: BackupMetadata = {
    ...metadata,
    files: own.role === "archive" && contents ? [own, contents] : [own],
    databases: metadata.databases.filter((database) => database.file === own.name),
  };
  const backup = describeOurs(narrowed, 0);
  const isWhole = object.sizeBytes === own.sizeBytes;
  return { backup: isWhole ? backup : withDamage(backup, describeMissing(own, object)), metadata: narrowed };
}

function describeUnknown(
  object: StoredObject,
  role: "database" | "archive",
  parsed: ObjectName | undefined,
  unusable: string,
): LoadedBackup {
  const type = role === "database" ? "database" : "storage";
  const stamp = parsed?.stamp ?? "00000000_000000";
  const data = [{ ...object, role, label: "" }];
  const foreign = describeForeign({ id: backupId(type, stamp), type, stamp, metadata: undefined, data });
  const stateReason =
    unusable === "" ? foreign.stateReason : `${unusable}, so there is nothing to check it against`;
  const described = { ...foreign, stateReason };
  if (parsed !== undefined) return { backup: described, metadata: undefined };
  // A name that says nothing: then the file's own time is the best there is.
  const startedAtMs = Math.round(object.modifiedAtMs);
  const known = { id: object.name, startedAtMs, startedAt: isoWithOffset(startedAtMs) };
  return { backup: { ...described, ...known }, metadata: undefined };
}
