/**
 * `dump`: the bytes of one file or database of a backup, or a folder packed.
 *
 * @module
 */

import type { BackupDatabase } from "../../domain/backup.ts";
import type { StoredEntry } from "../../domain/entry.ts";
import { BackupError } from "../../domain/error.ts";
import type { BackupReader } from "../../vault/vault.ts";
import type { OperationContext } from "../context.ts";
import type { Started } from "../requests.ts";
import { type BackupPlace, type EntryPlace, notInBackup, placeInBackup } from "./backup-path.ts";
import type { BackupEntry, Dump, DumpRequest } from "./browse-requests.ts";
import { describeDatabase, describeEntry, fullPath } from "./describe-entry.ts";
import { openNamedBackup } from "./open-backup.ts";
import { packedItems } from "./packed-items.ts";

/** Everything that is known before a byte of content is read. */
interface Found {
  readonly entry?: BackupEntry;
  /** The bytes of one file or database; absent for what can only be packed. */
  readonly raw?: (signal: AbortSignal) => AsyncIterable<Uint8Array>;
}

/** @throws {BackupError} `not-found`; `invalid-input` for a link, which has no bytes; `damaged` */
export async function openDump(context: OperationContext, request: Started<DumpRequest>): Promise<Dump> {
  const { source, type, signal } = request;
  const reader = await openNamedBackup(context, request.backup, { source, type, signal });
  try {
    return await openedDump(context, reader, request);
  } catch (error) {
    await reader[Symbol.asyncDispose]();
    throw error;
  }
}

async function openedDump(
  context: OperationContext,
  reader: BackupReader,
  request: Started<DumpRequest>,
): Promise<Dump> {
  const { backup } = reader;
  const { signal } = request;
  const place = placeInBackup(backup, request.path);
  const found = await find(reader, place, request);
  const format = request.format ?? (found.raw === undefined ? "tar" : "raw");
  const bytes =
    format === "raw" && found.raw !== undefined
      ? found.raw(signal)
      : context.packItems(
          format === "zip" ? "zip" : "tar",
          packedItems(reader, place, format, signal),
          signal,
        );
  const name = found.entry === undefined ? backup.id : lastComponent(found.entry.path);
  return {
    backup,
    ...(found.entry === undefined ? {} : { entry: found.entry }),
    format,
    suggestedName: format === "raw" ? name : `${name}.${format}`,
    bytes: counted(bytes, found.entry, request),
    [Symbol.asyncDispose]: () => reader[Symbol.asyncDispose](),
  };
}

async function find(reader: BackupReader, place: BackupPlace, request: Started<DumpRequest>): Promise<Found> {
  if (place.at === "top") return {};
  if (place.at === "database") return foundDatabase(reader, place.database);
  const entry = await findEntry(reader, place.place, request);
  return foundEntry(reader, entry, request);
}

function foundDatabase(reader: BackupReader, database: BackupDatabase): Found {
  return {
    entry: describeDatabase(reader.backup, database),
    raw: (signal) => reader.readDatabase(database.name, signal),
  };
}

async function findEntry(
  reader: BackupReader,
  place: EntryPlace,
  { path, signal }: Started<DumpRequest>,
): Promise<StoredEntry> {
  for await (const entry of reader.entries(signal, (folder) => place.isBelow(folder))) {
    signal.throwIfAborted();
    if (place.relation(entry) === "self") return entry;
  }
  throw notInBackup(reader.backup, path ?? "");
}

async function foundEntry(
  reader: BackupReader,
  stored: StoredEntry,
  { format, signal }: Started<DumpRequest>,
): Promise<Found> {
  const entry = describeEntry(stored);
  if (stored.kind === "directory") return { entry };
  if (stored.kind === "symlink" && format === undefined) {
    throw new BackupError("invalid-input", `Cannot dump ${entry.path}: it is a link to ${entry.linkTarget}`, {
      hint: "Dump what it points to, or pack the link with --format tar.",
    });
  }
  if (stored.kind === "symlink") return { entry };
  const withBytes = stored.hardLinkTo === undefined ? stored : await firstName(reader, stored, signal);
  return { entry, raw: (by) => reader.read(withBytes, undefined, by) };
}

/** The entry that holds the content of a further name. */
async function firstName(
  reader: BackupReader,
  { root, path, hardLinkTo }: StoredEntry,
  signal: AbortSignal,
): Promise<StoredEntry> {
  for await (const entry of reader.entries(signal)) {
    if (entry.root === root && entry.path === hardLinkTo) return entry;
  }
  const shown = fullPath({ root, path });
  throw new BackupError("damaged", `Cannot read ${shown}: the file it is a further name of is not there`);
}

/** The same bytes, with progress told as they pass. */
async function* counted(
  bytes: AsyncIterable<Uint8Array>,
  entry: BackupEntry | undefined,
  { observer, signal }: Started<DumpRequest>,
): AsyncGenerator<Uint8Array> {
  const bytesTotal = entry === undefined || entry.kind === "directory" ? undefined : entry.sizeBytes;
  const total = bytesTotal === undefined ? {} : { bytesTotal };
  let [bytesDone, told] = [0, 0];
  for await (const chunk of bytes) {
    signal.throwIfAborted();
    bytesDone += chunk.length;
    yield chunk;
    if (bytesDone - told < progressStepBytes) continue;
    told = bytesDone;
    observer.progress({ phase: "read", bytesDone, itemsDone: 0, ...total });
  }
  observer.progress({ phase: "read", bytesDone, itemsDone: 1, ...total });
}

/** Some tens of reports a second at the speed of a disk. */
const progressStepBytes = 8 * 1024 * 1024;

function lastComponent(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
