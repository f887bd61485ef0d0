/**
 * Names of users and groups by number, for archives that carry both. Read from
 * the local account files only; names from a directory service are left out,
 * which costs nothing, because restores go by number.
 *
 * @module
 */

import { readFileSync } from "node:fs";

export interface AccountNames {
  /** Name of a user, or an empty string where the number has none. */
  user(uid: number): string;
  group(gid: number): string;
}

/** Reads `/etc/passwd` and `/etc/group` once; files that are missing name nobody. */
export function loadAccountNames(passwdPath = "/etc/passwd", groupPath = "/etc/group"): AccountNames {
  const users = parseAccountFile(readAccountFile(passwdPath));
  const groups = parseAccountFile(readAccountFile(groupPath));
  return { user: (uid) => users.get(uid) ?? "", group: (gid) => groups.get(gid) ?? "" };
}

/**
 * Names by number from the text of an account file: `name:password:number:...`, as
 * passwd(5) and group(5) say. The first name of a number counts; lines that make no
 * sense are skipped, as the system does.
 */
export function parseAccountFile(text: string): ReadonlyMap<number, string> {
  const names = new Map<number, string>();
  for (const line of text.split("\n")) {
    const [name, , number] = line.split(":");
    if (name === undefined || name === "" || number === undefined || !/^\d{1,10}$/.test(number)) continue;
    if (!names.has(Number(number))) names.set(Number(number), name);
  }
  return names;
}

function readAccountFile(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
