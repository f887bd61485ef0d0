/**
 * A file of `snapshots/`: one backup, as restic sees it. Source: restic
 * `doc/design.rst`, "Snapshots", and `internal/data/snapshot.go`.
 *
 * @module
 */

import { DocumentFields } from "./document-fields.ts";
import { goJsonOthers, goJsonText, goJsonTexts } from "./go-json.ts";
import type { SnapshotDocument, SnapshotSummary } from "./model.ts";
import { parseTime } from "./times.ts";

/** The plain bytes of a snapshot. */
export function encodeSnapshot(snapshot: SnapshotDocument): Buffer {
  const { excludes, tags, summary } = snapshot;
  const parts = [
    `{"time":${goJsonText(snapshot.time)}`,
    optionalText("parent", snapshot.parent),
    `,"tree":"${snapshot.tree}","paths":${goJsonTexts(snapshot.paths)}`,
    optionalText("hostname", snapshot.hostname),
    optionalText("username", snapshot.username),
    optionalNumber("uid", snapshot.uid),
    optionalNumber("gid", snapshot.gid),
    excludes.length === 0 ? "" : `,"excludes":${goJsonTexts(excludes)}`,
    tags.length === 0 ? "" : `,"tags":${goJsonTexts(tags)}`,
    optionalText("original", snapshot.original),
    optionalText("program_version", snapshot.programVersion),
    summary === undefined ? "" : `,"summary":{${encodeSummary(summary)}}`,
    goJsonOthers(snapshot.others),
    "}",
  ];
  return Buffer.from(parts.join(""), "latin1");
}

function optionalText(name: string, text: string | undefined): string {
  return text === undefined || text === "" ? "" : `,"${name}":${goJsonText(text)}`;
}

function optionalNumber(name: string, value: number): string {
  return value === 0 ? "" : `,"${name}":${value}`;
}

type SummaryNumber = Exclude<keyof SnapshotSummary, "backupStart" | "backupEnd" | "others">;

/** In the order restic writes them. */
const summaryNumbers: readonly (readonly [json: string, field: SummaryNumber])[] = [
  ["files_new", "filesNew"],
  ["files_changed", "filesChanged"],
  ["files_unmodified", "filesUnmodified"],
  ["dirs_new", "dirsNew"],
  ["dirs_changed", "dirsChanged"],
  ["dirs_unmodified", "dirsUnmodified"],
  ["data_blobs", "dataBlobs"],
  ["tree_blobs", "treeBlobs"],
  ["data_added", "dataAddedBytes"],
  ["data_added_packed", "dataAddedPackedBytes"],
  ["total_files_processed", "totalFilesProcessed"],
  ["total_bytes_processed", "totalBytesProcessed"],
];

function encodeSummary(summary: SnapshotSummary): string {
  const times = `${optionalText("backup_start", summary.backupStart)}${optionalText("backup_end", summary.backupEnd)}`;
  const numbers = summaryNumbers.map(([json, field]) => `,"${json}":${summary[field]}`).join("");
  return `${times}${numbers}${goJsonOthers(summary.others)}`.slice(1);
}

/** @throws {BackupError} `damaged` */
export function parseSnapshot(bytes: Uint8Array): SnapshotDocument {
  const fields = new DocumentFields(bytes, "a snapshot");
  const time = fields.text("time");
  if (time === undefined) throw fields.damaged("time");
  const tree = fields.objectId("tree");
  if (tree === undefined) throw fields.damaged("tree");
  const parent = fields.objectId("parent");
  const original = fields.objectId("original");
  const summary = parseSummary(fields.object("summary"));
  const known = {
    time,
    timeMs: Number(parseTime(time) / 1_000_000n),
    ...(parent === undefined ? {} : { parent }),
    tree,
    paths: fields.texts("paths"),
    hostname: fields.text("hostname") ?? "",
    username: fields.text("username") ?? "",
    uid: fields.whole("uid"),
    gid: fields.whole("gid"),
    excludes: fields.texts("excludes"),
    tags: fields.texts("tags"),
    ...(original === undefined ? {} : { original }),
    programVersion: fields.text("program_version") ?? "",
    ...(summary === undefined ? {} : { summary }),
  };
  const others = fields.others();
  return others === undefined ? known : { ...known, others };
}

function parseSummary(fields: DocumentFields | undefined): SnapshotSummary | undefined {
  if (fields === undefined) return undefined;
  const backupStart = fields.text("backup_start");
  const backupEnd = fields.text("backup_end");
  const numbers = summaryNumbers.map(([json, field]) => [field, fields.whole(json)]);
  const known: Record<SummaryNumber, number> = Object.fromEntries(numbers);
  const others = fields.others();
  return {
    ...(backupStart === undefined ? {} : { backupStart }),
    ...(backupEnd === undefined ? {} : { backupEnd }),
    ...known,
    ...(others === undefined ? {} : { others }),
  };
}
