/**
 * What SQLite left beside a database file that is not ours. Such a file may be a
 * plain copy of a live database, and then part of its content is in its log.
 *
 * @module
 */

import { join } from "node:path";
import { BackupError } from "../../domain/error.ts";
import { hasJournalMagic } from "../../format/sqlite/journal.ts";
import { firstFrameIsValid, walFrameHeaderBytes, walHeaderBytes } from "../../format/sqlite/wal.ts";
import type { Storage } from "../../storage/storage.ts";
import type { LoadedBackup } from "./load-backup.ts";

/** Enough for the first frame of the largest pages. */
const headBytes: number = walHeaderBytes + walFrameHeaderBytes + 65_536;

interface Sidecar {
  readonly suffix: string;
  /** Does SQLite need the file to read the database right? */
  readonly holdsContent: (head: Uint8Array) => boolean;
  readonly what: string;
  readonly remedy: string;
}

const sidecars: readonly Sidecar[] = [
  {
    suffix: "-wal",
    holdsContent: firstFrameIsValid,
    what: "holds transactions that are not in it",
    remedy: "wal_checkpoint(TRUNCATE)",
  },
  {
    suffix: "-journal",
    holdsContent: hasJournalMagic,
    what: "holds what a transaction has to be rolled back with",
    remedy: "schema_version",
  },
];

/**
 * Adds to the reason of a backup that is not ours what lies beside its databases. Files with
 * metadata of ours are what their checksum says, whatever lies beside them.
 *
 * @throws {BackupError} `unsupported` for a database that is not whole without what lies beside it
 */
export async function notingSidecars(
  storage: Pick<Storage, "location" | "get" | "stat">,
  loaded: LoadedBackup,
  signal: AbortSignal,
): Promise<LoadedBackup> {
  if (loaded.metadata !== undefined) return loaded;
  let { stateReason } = loaded.backup;
  for (const file of loaded.backup.files) {
    if (file.role !== "database") continue;
    for (const sidecar of sidecars) {
      const name = `${file.name}${sidecar.suffix}`;
      const head = await readHead(storage, name, signal);
      if (head.byteLength === 0) continue;
      if (sidecar.holdsContent(head)) throw notWhole(join(storage.location, file.name), sidecar);
      stateReason += `; ${name} lies beside it, which SQLite would not read and is not restored`;
    }
  }
  return { ...loaded, backup: { ...loaded.backup, stateReason } };
}

async function readHead(
  storage: Pick<Storage, "get" | "stat">,
  name: string,
  signal: AbortSignal,
): Promise<Buffer> {
  const sizeBytes = (await storage.stat(name, signal))?.sizeBytes ?? 0;
  const length = Math.min(sizeBytes, headBytes);
  if (length === 0) return Buffer.alloc(0);
  const chunks = await Array.fromAsync(storage.get(name, { offset: 0, length }, signal));
  return Buffer.concat(chunks);
}

function notWhole(path: string, { suffix, what, remedy }: Sidecar): BackupError {
  return new BackupError("unsupported", `Cannot open ${path} as a backup: ${path}${suffix} ${what}`, {
    hint: `Let SQLite bring both together, on a copy: sqlite3 ${path} 'PRAGMA ${remedy}'. Or move the ${suffix} file away to do without it.`,
  });
}
