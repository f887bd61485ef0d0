/**
 * Entries and databases as people see them. Pure.
 *
 * @module
 */

import type { Backup, BackupDatabase } from "../../domain/backup.ts";
import {
  asByteString,
  type ByteString,
  byteStringFromText,
  byteStringToBytes,
  byteStringToDisplay,
} from "../../domain/byte-string.ts";
import { isoWithOffset } from "../../domain/clock.ts";
import type { StoredEntry } from "../../domain/entry.ts";
import type { BackupEntry } from "./browse-requests.ts";

/** Name of the root, "/" and the path inside it. */
export function fullPath({ root, path }: Pick<StoredEntry, "root" | "path">): ByteString {
  const name = byteStringFromText(root);
  return path === "" ? name : asByteString(`${name}/${path}`);
}

export function describeEntry(entry: StoredEntry): BackupEntry {
  const { root, kind, mode, uid, gid, sizeBytes, linkTarget, hardLinkTo, sha256 } = entry;
  const path = fullPath(entry);
  const shown = byteStringToDisplay(path);
  const modifiedAtMs = Number(entry.mtimeNs / 1_000_000n);
  return {
    kind,
    path: shown,
    ...(byteStringFromText(shown) === path ? {} : { pathBase64: byteStringToBytes(path).toString("base64") }),
    mode,
    uid,
    gid,
    sizeBytes,
    modifiedAt: isoWithOffset(modifiedAtMs),
    modifiedAtMs,
    ...(linkTarget === undefined ? {} : { linkTarget: byteStringToDisplay(linkTarget) }),
    ...(hardLinkTo === undefined
      ? {}
      : { hardLinkTo: byteStringToDisplay(fullPath({ root, path: hardLinkTo })) }),
    ...(sha256 === undefined ? {} : { sha256 }),
  };
}

export function describeDatabase(backup: Backup, database: BackupDatabase): BackupEntry {
  const { name, mode, uid, gid, sizeBytes, sha256 } = database;
  return {
    kind: "database",
    path: name,
    mode,
    uid,
    gid,
    sizeBytes,
    modifiedAt: backup.startedAt,
    modifiedAtMs: backup.startedAtMs,
    ...(sha256 === undefined || sha256 === "" ? {} : { sha256 }),
  };
}
