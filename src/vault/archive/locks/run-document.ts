/**
 * What a run says about itself in `.vertex/locks/`: who it is, whether others may
 * run beside it, and which backups it is making or removing. Pure; `run-locks.ts`
 * is the protocol.
 *
 * @module
 */

import type { RunOwner } from "../../../domain/run-owner.ts";
import { backupId, isStamp, parseBackupId } from "../../../format/archive/file-names.ts";
import { MetadataFields } from "../../../format/archive/metadata-fields.ts";
import { checkSeal, encodeSealed } from "../../../format/archive/sealed-document.ts";

export type RunPurpose = "create" | "hold" | "remove" | "clean";

export interface RunDocument {
  /** Tells our object from another run's under the same name. */
  readonly runId: string;
  /** Shared runs go on side by side; an exclusive one is alone. */
  readonly kind: "shared" | "exclusive";
  readonly purpose: RunPurpose;
  readonly owner: RunOwner;
  /** ISO time with offset. */
  readonly startedAt: string;
  /** ISO time with offset. For people: silence is measured by the storage's clock. */
  readonly refreshedAt: string;
  /** Ids of the backups being made or removed. Their objects belong to nobody else (I8). */
  readonly reserves: readonly string[];
  /** Names about to be put that the Python original might write too; said before the first byte (I8). */
  readonly puts: readonly string[];
  readonly toolVersion: string;
}

export const locksFolder = ".vertex/locks/";

const runVersion = 1;

/** Ids one document may reserve; a removal of more works in batches. */
export const reservesMax = 2_000;

/** A run puts one such name; more is a forgery. */
const putsMax = 8;

/** A document with {@link reservesMax} ids takes under 100 kB. */
export const runDocumentSizeBytesMax: number = 1024 * 1024;

/**
 * Name of a run's object. A run that makes a backup uses the backup's stamp as its
 * base, so that putting the object claims the stamp; others use their run id.
 *
 * @param sequence 0 for the first object, then counting up with each refresh
 */
export function runObjectName(base: string, sequence: number): string {
  return `${locksFolder}${base}${sequence === 0 ? "" : `+${sequence}`}.json`;
}

/** Reads a name back; undefined where it is none of ours. */
export function parseRunObjectName(
  name: string,
): { readonly base: string; readonly sequence: number } | undefined {
  const match = /^\.vertex\/locks\/([A-Za-z0-9_-]{1,80})(?:\+(\d{1,9}))?\.json$/.exec(name);
  return match === null ? undefined : { base: match[1] ?? "", sequence: Number(match[2] ?? 0) };
}

export function encodeRunDocument(run: RunDocument): Buffer {
  return encodeSealed({
    format_version: runVersion,
    run_id: run.runId,
    kind: run.kind,
    purpose: run.purpose,
    owner: {
      host: run.owner.host,
      boot_id: run.owner.bootId,
      pid: run.owner.pid,
      pid_namespace: run.owner.pidNamespace,
      started_ticks: run.owner.startedTicks,
    },
    started_at: run.startedAt,
    refreshed_at: run.refreshedAt,
    reserves: run.reserves,
    puts: run.puts,
    tool_version: run.toolVersion,
  });
}

/** Undefined for a document that is damaged or from a newer version: nothing is known of that run but that it is there. */
export function parseRunDocument(bytes: Buffer): RunDocument | undefined {
  // A flipped bit could make a live process look gone, or reserve somebody else's files for removal (I5, I7).
  if (checkSeal(bytes) !== "intact") return undefined;
  try {
    return parseRunFields(new MetadataFields(JSON.parse(bytes.toString("utf8")), "lock"));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function parseRunFields(fields: MetadataFields): RunDocument | undefined {
  if (fields.count("format_version") !== runVersion) return undefined;
  const owner = fields.fields("owner");
  return {
    runId: fields.text("run_id"),
    kind: fields.oneOf("kind", ["shared", "exclusive"]),
    purpose: fields.oneOf("purpose", ["create", "hold", "remove", "clean"]),
    owner: {
      host: owner.text("host"),
      bootId: owner.text("boot_id"),
      pid: owner.count("pid"),
      pidNamespace: owner.text("pid_namespace"),
      startedTicks: owner.text("started_ticks"),
    },
    startedAt: fields.text("started_at"),
    refreshedAt: fields.text("refreshed_at"),
    reserves: fields.texts("reserves", reservesMax).filter((id) => parseBackupId(id) !== undefined),
    puts: fields.has("puts") ? fields.texts("puts", putsMax) : [],
    toolVersion: fields.text("tool_version"),
  };
}

/** Ids that a run has reserved. Of an unreadable one that claimed a stamp: every id of that stamp. */
export function reservedIds(base: string, document: RunDocument | undefined): readonly string[] {
  if (document !== undefined) return document.reserves;
  if (!isStamp(base)) return [];
  return [backupId("full", base), backupId("database", base), backupId("storage", base)];
}
