/**
 * How people name what is in a backup: `<folder name>/<path>`, the name of a
 * database, or the absolute path where it was. Pure.
 *
 * @module
 */

import type { Backup, BackupDatabase } from "../../domain/backup.ts";
import { byteStringFromText, byteStringToDisplay } from "../../domain/byte-string.ts";
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
  const above = roots
    .filter((root) => path === root.path || path.startsWith(root.path === "/" ? "/" : `${root.path}/`))
    .toSorted((a, b) => b.path.length - a.path.length);
  const [root] = above;
  if (root === undefined) return undefined;
  return new EntryPlace(root.name, path.slice(root.path.length).replace(/^\/+/, ""));
}

function placeInRoot({ roots, files }: Backup, path: string): EntryPlace | undefined {
  const known = roots
    .filter(({ name }) => path === name || path.startsWith(`${name}/`))
    .toSorted((a, b) => b.name.length - a.name.length);
  const [root] = known;
  if (root !== undefined) return new EntryPlace(root.name, path.slice(root.name.length + 1));
  // The folders of an archive that is not ours are known only by reading it.
  if (roots.length > 0 || !files.some(({ role }) => role === "archive")) return undefined;
  const slash = path.indexOf("/");
  return slash < 0 ? new EntryPlace(path, "") : new EntryPlace(path.slice(0, slash), path.slice(slash + 1));
}

/** A path inside one root. */
export class EntryPlace {
  readonly root: string;
  readonly #path: string;
  /** Written as a list shows it: names that are not text have their bytes as `\xNN`. */
  readonly #asShown: boolean;

  constructor(root: string, path: string) {
    this.root = root;
    this.#asShown = path.includes("\\x");
    this.#path = this.#asShown ? path : byteStringFromText(path);
  }

  /** Does a folder lie on the way to this place? */
  isBelow({ root, path }: Pick<StoredEntry, "root" | "path">): boolean {
    if (root !== this.root) return false;
    const folder = this.#asShown ? byteStringToDisplay(path) : path;
    return folder === "" || this.#path.startsWith(`${folder}/`);
  }

  /** Where an entry stands to this place. */
  relation(entry: Pick<StoredEntry, "root" | "path">): EntryRelation {
    if (entry.root !== this.root) return "elsewhere";
    const path = this.#asShown ? byteStringToDisplay(entry.path) : entry.path;
    // A name may hold the four characters themselves.
    if (path === this.#path || entry.path === this.#path) return "self";
    const start = this.#path === "" ? 0 : this.#path.length + 1;
    if (start > 0 && !path.startsWith(`${this.#path}/`)) return "elsewhere";
    return path.includes("/", start) ? "below" : "child";
  }
}
