/**
 * Tells what a run that is gone left from what the Python original may have written
 * into the same folder in the same second (I8).
 *
 * @module
 */

import { memberHeaderBytes, memberLength } from "../../encode/gzip-member.ts";
import { isBackupError } from "../../domain/error.ts";
import { archiveName, databaseName, parseObjectName } from "../../format/archive/file-names.ts";
import type { Storage } from "../../storage/storage.ts";
import type { Run } from "./bytes/runs.ts";

/** Could the Python original write an object of this name? It knows no labels, and no stamps told apart by a number. */
export function mayBeForeign(name: string): boolean {
  const parsed = parseObjectName(name);
  if (parsed === undefined || parsed.stamp.includes("-") || parsed.label !== "") return false;
  return parsed.role === "database" || parsed.role === "archive";
}

/** Names under a gone run's stamp that are not to be removed with what it left. */
export async function foreignNames(
  storage: Storage,
  run: Run,
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  const foreign = new Set<string>();
  if (run.document?.purpose !== "create") return foreign;
  const [database, archive] = [databaseName(run.base, ""), archiveName(run.base)];
  if (mayBeForeign(database) && !run.document.puts.includes(database)) foreign.add(database);
  if (mayBeForeign(archive) && !(await isOurArchive(storage, archive, signal))) foreign.add(archive);
  return foreign;
}

/** No other program's gzip begins like our members do, so this needs no record. True also where there is none. */
async function isOurArchive(storage: Storage, name: string, signal: AbortSignal): Promise<boolean> {
  if ((await storage.stat(name, signal)) === undefined) return true;
  const chunks: Uint8Array[] = [];
  try {
    for await (const chunk of storage.get(name, { offset: 0, length: memberHeaderBytes }, signal)) {
      chunks.push(Buffer.from(chunk));
    }
    memberLength(Buffer.concat(chunks));
    return true;
  } catch (error) {
    if (isBackupError(error, "damaged")) return false;
    throw error;
  }
}
