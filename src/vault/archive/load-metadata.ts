/**
 * Fetches and reads a backup's metadata document.
 *
 * @module
 */

import { errorText, isBackupError } from "../../domain/error.ts";
import { metadataName } from "../../format/archive/file-names.ts";
import { metadataSizeBytesMax } from "../../format/archive/metadata.ts";
import { type ParsedMetadata, parseMetadata } from "../../format/archive/metadata-parse.ts";
import { readAll } from "../../storage/read-all.ts";
import type { Storage } from "../../storage/storage.ts";

export interface LoadedMetadata {
  readonly parsed: ParsedMetadata;
  readonly sizeBytes: number;
}

/** Undefined where there is no document. One that cannot be read to its end is a damaged one. */
export async function loadMetadata(
  storage: Pick<Storage, "get">,
  id: string,
  signal: AbortSignal,
): Promise<LoadedMetadata | undefined> {
  try {
    const bytes = await readAll(storage, metadataName(id), metadataSizeBytesMax, signal);
    return { parsed: parseMetadata(bytes, id), sizeBytes: bytes.byteLength };
  } catch (error) {
    if (isBackupError(error, "not-found")) return undefined;
    if (!isBackupError(error, "damaged")) throw error;
    return { parsed: { outcome: "damaged", reason: errorText(error) }, sizeBytes: 0 };
  }
}

/** Why a backup whose document is not ours cannot be used, as the reason of its state. */
export function whyUnreadable(
  id: string,
  parsed: Exclude<ParsedMetadata, { outcome: "ours" | "foreign" }>,
): string {
  return parsed.outcome === "newer"
    ? `a newer version of the program wrote it (metadata format ${parsed.formatVersion})`
    : `its metadata ${metadataName(id)} is damaged: ${parsed.reason}`;
}
