/**
 * How people name what is in a backup: `<folder name>/<path>`, the name of a
 * database, or the absolute path where it was. Pure.
 *
 * @module
 */

import type { Backup, BackupDatabase } from "../../domain/backup.ts";
import {
  type ByteString,
  asByteString,
  byteStringFromText,
  byteStringsFromShown,
} from "../../domain/byte-string.ts";
import type { StoredEntry } from "../../domain/entry.ts";
import { BackupError } from "../../domain/error.ts";

/** What a path names. Whether an entry is there only the list of entries knows. */
export type BackupPlace =
  | { readonly at: "top" }
  | { readonly at: "database"; readonly database: BackupDatabase }
  | { readonly at: "entry"; readonly place: EntryPlace };

/** Where an entry stands to a place: it is what was named, lies in it, or lies deeper. */
export type EntryRelation = "self" | "child" | "below" | "elsewhere";

/**
 * The place a path names; the top of the backup for none, "", "." and "/".
 *
 * @throws {BackupError} `not-found` where no folder and no database of the backup has such a name
 */
export function placeInBackup(backup: Backup, path: string | undefined): BackupPlace {
  const wanted = (path ?? "").replace(/\/+$/, "").replace(/^(?:\.\/+)+/, "");
  if (wanted === "" || wanted === ".") return { at: "top" };
  const database = backup.databases.find(({ name, path: was }) => name === wanted || was === wanted);
  if (database !== undefined) return { at: "database", database };
  const place = wanted.startsWith("/") ? absolutePlace(backup, wanted) : placeInRoot(backup, wanted);
  if (place !== undefined) return { at: "entry", place };
  throw notInBackup(backup, wanted);
}

/** There is no such thing in the backup. */
export function notInBackup(backup: Backup, path: string): BackupError {
  return new BackupError("not-found", `Cannot find ${path} in ${backup.id}: it is not there`, {
    hint: "The command ls shows what is in a backup.",
  });
}

/** The root that was at the longest beginning of the path. */
function absolutePlace({ roots }: Backup, path: string): EntryPlace | undefined {
  const byLength = roots.toSorted((a, b) => b.path.length - a.path.length);
  return firstPlace(byLength, path, (root) => root.path.replace(/\/+$/, ""));
}

function placeInRoot({ roots, files }: Backup, path: string): EntryPlace | undefined {
  const byLength = roots.toSorted((a, b) => b.name.length - a.name.length);
  const place = firstPlace(byLength, path, (root) => root.name);
  if (place !== undefined) return place;
  // The folders of an archive that is not ours are known only by reading it.
  if (roots.length > 0 || !files.some(({ role }) => role === "archive")) return undefined;
  const [root = "", ...rest] = path.split("/");
  return new EntryPlace(root, byteStringsFromShown(rest.join("/")));
}

/** In the first root that is at the beginning of the path, or of one of the names that it may mean. */
function firstPlace(
  roots: Backup["roots"],
  path: string,
  startOf: (root: Backup["roots"][number]) => string,
): EntryPlace | undefined {
  const names = byteStringsFromShown(path);
  for (const root of roots) {
    const start = byteStringFromText(startOf(root));
    const inside = names.filter((name) => name === start || name.startsWith(`${start}/`));
    if (inside.length === 0) continue;
    const paths = inside.map((name) => asByteString(name.slice(start.length).replace(/^\/+/, "")));
    return new EntryPlace(root.name, paths);
  }
  return undefined;
}

/** A path inside one root. */
export class EntryPlace {
  readonly root: string;
  /** More than one where it is written as a list shows it, with bytes as `\xNN`: a name may hold these four characters. */
  readonly #paths: readonly ByteString[];

  constructor(root: string, paths: readonly ByteString[]) {
    this.root = root;
    this.#paths = paths;
  }

  /** Does a folder lie on the way to this place? */
  isBelow({ root, path }: Pick<StoredEntry, "root" | "path">): boolean {
    if (root !== this.root) return false;
    return path === "" || this.#paths.some((place) => place.startsWith(`${path}/`));
  }

  /** Where an entry stands to this place. */
  relation({ root, path }: Pick<StoredEntry, "root" | "path">): EntryRelation {
    if (root !== this.root) return "elsewhere";
    if (this.#paths.some((place) => place === path)) return "self";
    const above = this.#paths.find((place) => place === "" || path.startsWith(`${place}/`));
    if (above === undefined) return "elsewhere";
    return path.includes("/", above === "" ? 0 : above.length + 1) ? "below" : "child";
  }
}
