/**
 * Lines for what is in backups, as `ls -l` has them.
 *
 * @module
 */

import { formatBytes } from "../../domain/units.ts";
import type { BackupEntry, BackupEntryKind } from "../../operations/browse/browse-requests.ts";
import { formatLocalTime } from "./moment.ts";
import type { Palette } from "./palette.ts";
import { safeText } from "./safe-text.ts";

/** Wide enough for `1000:1000` and `999.9 MB`; what is wider moves the rest of its line only. */
const ownerWidth = 9;
const sizeWidth = 8;

const kindLetters: Readonly<Record<BackupEntryKind, string>> = {
  file: "-",
  directory: "d",
  symlink: "l",
  database: "-",
};

/** Mode, owner, size, time and path. */
export function entryLine(entry: BackupEntry, palette: Palette): string {
  const owner = entry.uid < 0 ? "?" : `${entry.uid}:${entry.gid}`;
  const mode = `${kindLetters[entry.kind]}${modeText(entry.mode)}`;
  return [mode, owner.padEnd(ownerWidth), placeLine(entry, palette)].join("  ");
}

/** Size, time and path. */
export function placeLine(entry: BackupEntry, palette: Palette): string {
  const size = hasBytes(entry) ? formatBytes(entry.sizeBytes) : "-";
  return [size.padStart(sizeWidth), formatLocalTime(entry.modifiedAtMs), pathText(entry, palette)].join("  ");
}

/** A path with what kind of thing it is. */
export function pathText({ kind, path, linkTarget, hardLinkTo }: BackupEntry, palette: Palette): string {
  const shown = safeText(path);
  if (kind === "directory") return palette.bold(`${shown}/`);
  if (kind === "database") return `${shown} ${palette.dim("(database)")}`;
  if (linkTarget !== undefined) return `${shown} ${palette.dim(`-> ${safeText(linkTarget)}`)}`;
  if (hardLinkTo !== undefined) return `${shown} ${palette.dim(`(same file as ${safeText(hardLinkTo)})`)}`;
  return shown;
}

/** Folders, links and further names of a file have no bytes of their own. */
function hasBytes({ kind, hardLinkTo }: BackupEntry): boolean {
  return kind === "database" || (kind === "file" && hardLinkTo === undefined);
}

/** `rwxr-x---`, with `s` and `t` where `ls` has them. */
export function modeText(mode: number): string {
  const letters = Array.from("rwxrwxrwx", (letter, bit) => ((mode >> (8 - bit)) & 1 ? letter : "-"));
  const special: readonly (readonly [number, number, string])[] = [
    [0o4000, 2, "s"],
    [0o2000, 5, "s"],
    [0o1000, 8, "t"],
  ];
  for (const [bit, at, letter] of special) {
    if ((mode & bit) !== 0) letters[at] = letters[at] === "x" ? letter : letter.toUpperCase();
  }
  return letters.join("");
}
