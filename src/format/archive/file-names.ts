/**
 * The names of an archive vault's objects, made and read back. Pure. Names carry
 * local time for people; order never comes from them, see
 * `docs/decisions/0003-order-by-metadata.md`.
 *
 * @module
 */

import type { BackupType } from "../../domain/backup.ts";
import { localStamp } from "../../domain/clock.ts";

/** What a backup's id says: `db_backup_20240101_120000-2` is a `database` of stamp `20240101_120000-2`. */
export interface BackupName {
  readonly type: BackupType;
  /** Local time of the start, with `-2`, `-3` and so on where it was taken. */
  readonly stamp: string;
}

/** What an object's name says. */
export interface ObjectName extends BackupName {
  readonly role: "database" | "archive" | "contents" | "metadata";
  /** Of a further database, the part of the name that tells it from the others; empty for all else. */
  readonly label: string;
}

/** Folders that hold a vault's backups, in the order they are listed in: what names others comes first. */
export const backupFolders: readonly string[] = ["full/", "database/", "storage/"];

const places: Readonly<Record<BackupType, { readonly folder: string; readonly word: string }>> = {
  full: { folder: "full/", word: "full_backup" },
  database: { folder: "database/", word: "db_backup" },
  storage: { folder: "storage/", word: "storage_backup" },
};

const typeOfWord: ReadonlyMap<string, BackupType> = new Map(
  Object.entries(places).map(([type, place]) => [place.word, type as BackupType]),
);

const idPattern = /^(full_backup|db_backup|storage_backup)_(\d{8}_\d{6}(?:-[1-9]\d{0,5})?)$/;
const namePattern =
  /^(full|database|storage)\/(full_backup|db_backup|storage_backup)_(\d{8}_\d{6}(?:-[1-9]\d{0,5})?)\.([A-Za-z0-9._+-]{1,100})$/;
const stampPattern = /^(\d{4})(\d{2})(\d{2})_(\d{2})(\d{2})(\d{2})(?:-[1-9]\d{0,5})?$/;

/** With stem and suffix a name then stays far below the 255 bytes of a file name. */
const labelCharactersMax = 64;

/** The id of a backup, which is also the stem of its files. */
export function backupId(type: BackupType, stamp: string): string {
  return `${places[type].word}_${stamp}`;
}

/** Reads an id; undefined for text that is none. Ids come from people and requests: nothing else may become a name. */
export function parseBackupId(id: string): BackupName | undefined {
  const match = idPattern.exec(id);
  const type = typeOfWord.get(match?.[1] ?? "");
  return type === undefined ? undefined : { type, stamp: match?.[2] ?? "" };
}

/** Is this a stamp as {@link stampCandidate} makes it? */
export function isStamp(text: string): boolean {
  return stampPattern.test(text);
}

/** The stamp for a backup's start, at the first attempt plain, then with `-2`, `-3` and so on. */
export function stampCandidate(startedAtMs: number, attempt: number): string {
  return attempt <= 1 ? localStamp(startedAtMs) : `${localStamp(startedAtMs)}-${attempt}`;
}

/** The instant a stamp means on this machine. Only for files that have no metadata to say it. */
export function stampToMs(stamp: string): number {
  const match = stampPattern.exec(stamp);
  if (match === null) return 0;
  const [year = 0, month = 1, day = 1, hours = 0, minutes = 0, seconds = 0] = match.slice(1, 7).map(Number);
  return new Date(year, month - 1, day, hours, minutes, seconds).getTime();
}

/** Orders ids of one instant: by type, then `-10` after `-2`. */
export function compareIds(a: string, b: string): number {
  if (a.length !== b.length && a.split("-")[0] === b.split("-")[0]) return a.length - b.length;
  return a < b ? -1 : a > b ? 1 : 0;
}

export function metadataName(id: string): string {
  const name = parseBackupId(id);
  if (name === undefined) throw new RangeError(`not a backup id: ${id}`);
  return `${places[name.type].folder}${id}.json`;
}

export function archiveName(stamp: string): string {
  return `${places.storage.folder}${backupId("storage", stamp)}.tar.gz`;
}

export function contentsName(stamp: string): string {
  return `${places.storage.folder}${backupId("storage", stamp)}.contents.jsonl.gz`;
}

/** @param label Empty for the first database of a backup, else as {@link makeLabel} made it */
export function databaseName(stamp: string, label: string): string {
  return `${places.database.folder}${backupId("database", stamp)}.${label === "" ? "db" : `${label}.db`}`;
}

/**
 * A label for a further database: what a storage's names may hold of the database's
 * own name, without its suffix, and told apart from the labels in `taken`.
 */
export function makeLabel(databaseOwnName: string, taken: ReadonlySet<string>): string {
  const plain = databaseOwnName
    .replace(/\.(?:db3?|sqlite3?)$/i, "")
    .replace(/[^A-Za-z0-9._+-]/g, "_")
    .replace(/^\.+/, "_")
    .slice(0, labelCharactersMax);
  const label = plain === "" ? "database" : plain;
  if (!taken.has(label)) return label;
  for (let n = 2; ; n++) if (!taken.has(`${label}-${n}`)) return `${label}-${n}`;
}

/** Is this a day and a time that exist? A file named `db_backup_99999999_999999.db` is somebody else's, not the newest backup. */
function isMoment(stamp: string): boolean {
  const [year = 0, month = 0, day = 0, hours = 0, minutes = 0, seconds = 0] = (stampPattern.exec(stamp) ?? [])
    .slice(1, 7)
    .map(Number);
  const daysOfMonth = new Date(Date.UTC(year, month, 0)).getUTCDate();
  return (
    month >= 1 && month <= 12 && day >= 1 && day <= daysOfMonth && hours < 24 && minutes < 60 && seconds < 60
  );
}

/** Reads an object's name back; undefined for every name this program and the Python original would not make. */
export function parseObjectName(name: string): ObjectName | undefined {
  const match = namePattern.exec(name);
  if (match === null) return undefined;
  const [, folder = "", word = "", stamp = "", suffix = ""] = match;
  const type = typeOfWord.get(word);
  if (type === undefined || places[type].folder !== `${folder}/` || !isMoment(stamp)) return undefined;
  if (suffix === "json") return { type, stamp, role: "metadata", label: "" };
  if (type === "storage") return storageObject(stamp, suffix);
  if (type === "full") return undefined;
  if (suffix === "db") return { type, stamp, role: "database", label: "" };
  return suffix.endsWith(".db") ? { type, stamp, role: "database", label: suffix.slice(0, -3) } : undefined;
}

function storageObject(stamp: string, suffix: string): ObjectName | undefined {
  if (suffix === "tar.gz") return { type: "storage", stamp, role: "archive", label: "" };
  if (suffix === "contents.jsonl.gz") return { type: "storage", stamp, role: "contents", label: "" };
  return undefined;
}

/** The types whose objects a backup of `type` is made of: a full has two parts. */
export function partTypes(type: BackupType): readonly BackupType[] {
  return type === "full" ? ["full", "database", "storage"] : [type];
}
