/**
 * The field that marks a copy of another program's snapshot, as this program makes them
 * between repositories: that it has no manifest, and what it was copied from. The snapshot's own
 * `original` says neither: restic writes it too, whenever it changes a snapshot.
 *
 * @module
 */

import type { BackupOrigin } from "../../domain/backup.ts";
import { MetadataFields, textCharactersMax } from "../archive/metadata-fields.ts";

/** The field's name. restic drops it when it rewrites a snapshot. */
export const copiedFromField = "vertex_backup_copied_from";

/** An id and a place, each with room for escapes: what is longer is not ours. */
const charactersMax = 16 * textCharactersMax;

const snapshotId = /^[0-9a-f]{64}$/;

/** The field's value, JSON text. */
export function encodeCopiedFrom({ id, vault }: BackupOrigin): string {
  return JSON.stringify({ id, vault: vault.slice(0, textCharactersMax) });
}

/** Undefined where the value makes no sense: the snapshot is a copy all the same. */
export function parseCopiedFrom(json: string): BackupOrigin | undefined {
  if (json.length > charactersMax) return undefined;
  try {
    const fields = new MetadataFields(JSON.parse(json), "copied_from");
    return { id: fields.matching("id", snapshotId), vault: fields.text("vault") };
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof RangeError)) throw error;
    return undefined;
  }
}
