/**
 * One line for each thing that differs between two backups.
 *
 * @module
 */

import { formatBytes } from "../../domain/units.ts";
import type {
  BackupEntry,
  DifferingField,
  EntryDifference,
} from "../../operations/browse/browse-requests.ts";
import { modeText, pathText } from "./entry.ts";
import { formatLocalTime } from "./moment.ts";
import type { Palette } from "./palette.ts";
import { safeText } from "./safe-text.ts";

/** As `restic diff` marks them: U is for what has the same bytes. */
const marks: Readonly<Record<EntryDifference["difference"], string>> = {
  added: "+",
  removed: "-",
  changed: "M",
  attributes: "U",
};

/** The mark, the path and what differs. */
export function differenceLine(difference: EntryDifference, palette: Palette): string {
  const { before, after, differs } = difference;
  const shown = after ?? before;
  const paint = {
    added: palette.green,
    removed: palette.red,
    changed: palette.yellow,
    attributes: palette.dim,
  };
  const mark = paint[difference.difference](marks[difference.difference]);
  const path = shown === undefined ? safeText(difference.path) : pathText(shown, palette);
  if (before === undefined || after === undefined) {
    const size =
      shown?.kind === "file" || shown?.kind === "database" ? ` ${formatBytes(shown.sizeBytes)}` : "";
    return `${mark} ${path}${palette.dim(size)}`;
  }
  const details = differs.map((field) => fieldText(field, before, after)).filter(Boolean);
  return `${mark} ${path} ${palette.dim(details.join(", "))}`.trimEnd();
}

function fieldText(field: DifferingField, before: BackupEntry, after: BackupEntry): string {
  switch (field) {
    case "kind":
      return `was a ${before.kind}, is a ${after.kind}`;
    case "content":
      return before.sizeBytes === after.sizeBytes
        ? `${formatBytes(after.sizeBytes)}, other bytes`
        : `${formatBytes(before.sizeBytes)} -> ${formatBytes(after.sizeBytes)}`;
    case "target":
      return `was ${safeText(before.linkTarget ?? "")}`;
    case "hard-link":
      return before.hardLinkTo === undefined
        ? "was a file of its own"
        : `was the same file as ${safeText(before.hardLinkTo)}`;
    case "mode":
      return `mode ${modeText(before.mode)} -> ${modeText(after.mode)}`;
    case "owner":
      return `owner ${before.uid}:${before.gid} -> ${after.uid}:${after.gid}`;
    case "time":
      return `time ${formatLocalTime(before.modifiedAtMs)} -> ${formatLocalTime(after.modifiedAtMs)}`;
  }
}
