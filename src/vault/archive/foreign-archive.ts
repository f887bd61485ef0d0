/**
 * Reads a `tar.gz` that has no contents file, as the Python original wrote it:
 * from front to back, trusting nothing. There are no checksums to compare with
 * but gzip's own.
 *
 * @module
 */

import { BackupError } from "../../domain/error.ts";
import type { Storage } from "../../storage/storage.ts";
import type { ArchiveReading } from "./archive-reader.ts";

export interface ForeignArchiveOptions {
  readonly storage: Storage;
  readonly archiveName: string;
}

/**
 * Opens a foreign archive; reads nothing yet. The first path component of each entry
 * becomes its root.
 */
export function openForeignArchive(options: ForeignArchiveOptions): ArchiveReading {
  throw new BackupError("bug", `Cannot read ${options.archiveName}: not there yet`);
}
