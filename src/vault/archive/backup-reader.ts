/**
 * One backup of an archive vault, opened for reading.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { basename } from "node:path/posix";
import type { Backup, BackupFile } from "../../domain/backup.ts";
import type { StoredEntry } from "../../domain/entry.ts";
import { BackupError, isBackupError } from "../../domain/error.ts";
import type { BackupMetadata } from "../../format/archive/metadata.ts";
import type { ByteRange, Storage, StoredObject } from "../../storage/storage.ts";
import type { BackupReader, EntryWithContent, WantedParts } from "../vault.ts";
import { type ArchiveReading, openArchiveReader } from "./bytes/archive-reader.ts";
import { openForeignArchive } from "./bytes/foreign-archive.ts";
import type { LoadedBackup } from "./load-backup.ts";
import { describeMissing } from "./missing-file.ts";

/** Opens what `loadBackup` found; reads nothing yet. */
export function openBackupReader(storage: Storage, loaded: LoadedBackup): BackupReader {
  return new ArchiveBackupReader(storage, loaded);
}

class ArchiveBackupReader implements BackupReader {
  readonly backup: Backup;
  readonly #storage: StoredFiles;
  readonly #metadata: BackupMetadata | undefined;
  readonly #archive: ArchiveReading | undefined;

  constructor(storage: Storage, loaded: LoadedBackup) {
    this.backup = loaded.backup;
    this.#storage = new StoredFiles(storage);
    this.#metadata = loaded.metadata;
    this.#archive = openArchive(this.#storage, loaded);
  }

  async *readDatabase(name: string, signal: AbortSignal): AsyncIterable<Uint8Array> {
    const file = databaseFile(this.backup, this.#metadata, name);
    if (file === undefined) {
      throw new BackupError("not-found", `Cannot read database ${name}: ${this.backup.id} does not hold it`);
    }
    yield* readVerified(this.#storage, file, signal);
  }

  async *entries(signal: AbortSignal): AsyncIterable<StoredEntry> {
    if (this.#archive !== undefined) yield* this.#archive.entries(signal);
  }

  read(entry: StoredEntry, range: ByteRange | undefined, signal: AbortSignal): AsyncIterable<Uint8Array> {
    if (this.#archive === undefined) {
      throw new BackupError("not-found", `Cannot read a file of ${this.backup.id}: it holds databases only`);
    }
    return this.#archive.read(entry, range, signal);
  }

  async *contents(
    select: (entry: StoredEntry) => boolean,
    signal: AbortSignal,
  ): AsyncIterable<EntryWithContent> {
    if (this.#archive !== undefined) yield* this.#archive.contents(select, signal);
  }

  async findLost(parts: WantedParts, signal: AbortSignal): Promise<readonly string[]> {
    const databases = parts.databases.map((name) => databaseFile(this.backup, this.#metadata, name)?.name);
    const lost: string[] = [];
    for (const file of this.backup.files) {
      const isArchive = file.role === "archive" || file.role === "contents";
      if (isArchive ? parts.files === "none" : !databases.includes(file.name)) continue;
      const object = await this.#storage.stat(file.name, signal);
      // Of an archive that was cut short some files can still be read.
      const isWhole = isArchive && parts.files === "some" ? object : object?.sizeBytes === file.sizeBytes;
      if (!isWhole) lost.push(describeMissing(file, object));
    }
    return lost;
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

/**
 * The files of a backup that is there. One of them that is not is damage: `not-found` would say
 * that there is no such backup, and a caller would look for another name.
 */
class StoredFiles implements Pick<Storage, "get" | "stat"> {
  readonly #storage: Pick<Storage, "get" | "stat">;

  constructor(storage: Pick<Storage, "get" | "stat">) {
    this.#storage = storage;
  }

  async stat(name: string, signal: AbortSignal): Promise<StoredObject | undefined> {
    return await this.#storage.stat(name, signal);
  }

  async *get(name: string, range: ByteRange | undefined, signal: AbortSignal): AsyncIterable<Uint8Array> {
    try {
      yield* this.#storage.get(name, range, signal);
    } catch (error) {
      throw isBackupError(error, "not-found") ? missing(name, error) : error;
    }
  }
}

function missing(name: string, cause: BackupError): BackupError {
  return new BackupError("damaged", `Cannot read ${name}: it is missing`, {
    cause,
    hint: "Restore another backup; verify says what is wrong with this one.",
  });
}

/** The archive of a backup; undefined for one that has none. */
export function openArchive(
  storage: Pick<Storage, "get">,
  { backup, metadata }: LoadedBackup,
): ArchiveReading | undefined {
  const archive = metadata?.files.find((file) => file.role === "archive");
  const contents = metadata?.files.find((file) => file.role === "contents");
  if (archive !== undefined && contents !== undefined) {
    return openArchiveReader({ storage, archive, contents, roots: backup.roots });
  }
  const foreign = backup.files.find((file) => file.role === "archive");
  return foreign === undefined ? undefined : openForeignArchive({ storage, archiveName: foreign.name });
}

/** The file that holds a database. Of files that are not ours the database has the file's own name. */
function databaseFile(
  backup: Backup,
  metadata: BackupMetadata | undefined,
  name: string,
): BackupFile | undefined {
  const stored = metadata?.databases.find((database) => database.name === name)?.file;
  return backup.files.find(
    (file) => file.role === "database" && (metadata ? file.name === stored : basename(file.name) === name),
  );
}

/**
 * The bytes of a stored file. Throws at the end if they are not what was stored (I6).
 *
 * @throws {BackupError} `damaged`; `not-found`
 */
async function* readVerified(
  storage: Pick<Storage, "get">,
  file: BackupFile,
  signal: AbortSignal,
): AsyncIterable<Uint8Array> {
  const hash = createHash("sha256");
  let sizeBytes = 0;
  for await (const chunk of storage.get(file.name, undefined, signal)) {
    signal.throwIfAborted();
    hash.update(chunk);
    sizeBytes += chunk.byteLength;
    yield chunk;
  }
  const wrong = describeDifference(file, sizeBytes, hash.digest("hex"));
  if (wrong !== "") throw new BackupError("damaged", `Cannot trust ${file.name}: ${wrong}`);
}

/** What differs between a file and what was read; empty when nothing does. */
export function describeDifference(file: BackupFile, sizeBytes: number, sha256: string): string {
  if (sizeBytes !== file.sizeBytes) return `it has ${sizeBytes} bytes, wanted ${file.sizeBytes}`;
  if (file.sha256 !== undefined && sha256 !== file.sha256)
    return `its SHA-256 is ${sha256}, wanted ${file.sha256}`;
  return "";
}
