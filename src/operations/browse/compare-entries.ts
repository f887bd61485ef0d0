/**
 * Whether two entries at one path differ, and in what. Pure.
 *
 * @module
 */

import type { StoredEntry } from "../../domain/entry.ts";
import type { BackupEntry, DifferingField, EntryDifference } from "./browse-requests.ts";
import { describeEntry } from "./describe-entry.ts";

/** Two entries at one path, or one where the other side has none. */
export interface Comparison {
  /** Unique within the root. */
  readonly path: string;
  readonly before?: StoredEntry;
  readonly after?: StoredEntry;
  /** `unknown`: only reading the bytes can tell. */
  readonly content: "same" | "different" | "unknown";
  readonly differs: readonly DifferingField[];
  readonly isDifferent: boolean;
}

/** @param same What reading the bytes has shown, where that was needed */
export function compareEntries(
  before: StoredEntry | undefined,
  after: StoredEntry | undefined,
  oneVault: boolean,
  same?: boolean,
): Comparison {
  if (before === undefined || after === undefined) {
    const path = (before ?? after)?.path ?? "";
    const sides = { ...(before === undefined ? {} : { before }), ...(after === undefined ? {} : { after }) };
    return { path, ...sides, content: "different", differs: [], isDifferent: true };
  }
  const told = compareContent(before, after, oneVault);
  const content = told === "unknown" && same !== undefined ? (same ? "same" : "different") : told;
  const differs = [...contentFields(before, after, content), ...attributeFields(before, after)];
  return { path: before.path, before, after, content, differs, isDifferent: differs.length > 0 };
}

/** What one vault calls by one id are equal bytes; between vaults only hashes tell. */
function compareContent(before: StoredEntry, after: StoredEntry, oneVault: boolean): Comparison["content"] {
  if (before.kind !== after.kind || before.hardLinkTo !== after.hardLinkTo) return "different";
  if (before.kind !== "file" || before.hardLinkTo !== undefined) return "same";
  if (before.sizeBytes !== after.sizeBytes) return "different";
  if (before.sizeBytes === 0) return "same";
  if (before.sha256 !== undefined && after.sha256 !== undefined) {
    return before.sha256 === after.sha256 ? "same" : "different";
  }
  if (!oneVault || before.contentId === undefined || after.contentId === undefined) return "unknown";
  return before.contentId === after.contentId ? "same" : "different";
}

function contentFields(
  before: StoredEntry,
  after: StoredEntry,
  content: Comparison["content"],
): readonly DifferingField[] {
  if (before.kind !== after.kind) return ["kind"];
  if (before.hardLinkTo !== after.hardLinkTo) return ["hard-link"];
  if (before.linkTarget !== after.linkTarget) return ["target"];
  return content === "different" ? ["content"] : [];
}

function attributeFields(before: StoredEntry, after: StoredEntry): readonly DifferingField[] {
  // A folder's time says only that something in it came or went, and a link's mode means nothing.
  const isTimed = before.kind !== "directory" && after.kind !== "directory";
  const hasMode = before.kind !== "symlink" && after.kind !== "symlink";
  return [
    ...(hasMode && before.mode !== after.mode ? (["mode"] as const) : []),
    ...(before.uid !== after.uid || before.gid !== after.gid ? (["owner"] as const) : []),
    ...(isTimed && before.mtimeNs !== after.mtimeNs ? (["time"] as const) : []),
  ];
}

/** As callers get it. */
export function describeDifference({ before, after, differs }: Comparison): EntryDifference {
  const described = {
    ...(before === undefined ? {} : { before: describeEntry(before) }),
    ...(after === undefined ? {} : { after: describeEntry(after) }),
  };
  return differenceOf(described, differs);
}

/** Names the difference of two things that are described already; at least one of them is there. */
export function differenceOf(
  sides: { readonly before?: BackupEntry; readonly after?: BackupEntry },
  differs: readonly DifferingField[],
): EntryDifference {
  const { before, after } = sides;
  const path = (after ?? before)?.path ?? "";
  if (before === undefined) return { difference: "added", path, ...sides, differs };
  if (after === undefined) return { difference: "removed", path, ...sides, differs };
  const isContent = differs.some((field) => contentKinds.has(field));
  return { difference: isContent ? "changed" : "attributes", path, ...sides, differs };
}

const contentKinds: ReadonlySet<DifferingField> = new Set(["kind", "content", "target", "hard-link"]);
