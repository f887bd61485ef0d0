/**
 * The shell commands that check and open a backup without this program: what is
 * in a vault must outlive whoever wrote it.
 *
 * @module
 */

import { join } from "node:path";
import type { Backup } from "../../domain/backup.ts";
import { shellWord } from "./safe-text.ts";

/** One command a line, for the files as they lie in `vault`. */
export function openByHand(backup: Backup, vault: string): string[] {
  const snapshot = backup.snapshotId ?? backup.id;
  if (backup.files.length === 0 && /^[0-9a-f]{64}$/.test(snapshot)) return byRestic(snapshot, vault);
  const files = backup.files.map((file) => ({ ...file, word: shellWord(join(vault, file.name)) }));
  const sums = files.flatMap(({ role, sha256, word }) =>
    sha256 === undefined || role === "metadata" ? [] : [`echo ${sha256}  ${word} | sha256sum -c`],
  );
  const opened = files.flatMap(({ role, word }) => {
    if (role === "database") return [`sqlite3 -readonly ${word} .tables`];
    return role === "archive" ? [`tar tzf ${word}`] : [];
  });
  return [...sums, ...opened];
}

/** restic asks for the password. */
function byRestic(id: string, vault: string): string[] {
  const restic = `restic -r ${shellWord(vault)}`;
  return [`${restic} ls ${id}`, `${restic} restore ${id} --target restored`];
}
