/**
 * Reads a backup again, every stored byte once, and names what is wrong.
 *
 * @module
 */

import { createHash, randomUUID } from "node:crypto";
import { open, unlink } from "node:fs/promises";
import { join } from "node:path";
import type { BackupFile } from "../../domain/backup.ts";
import type { Clock } from "../../domain/clock.ts";
import { BackupError, errorText, isBackupError } from "../../domain/error.ts";
import { metadataName, parseBackupId } from "../../format/archive/file-names.ts";
import type { Storage } from "../../storage/storage.ts";
import type { Damage, VerifyOptions, VerifyReport } from "../vault.ts";
import { describeDifference, openArchive } from "./backup-reader.ts";
import { fileError } from "./file-error.ts";
import { type LoadedBackup, loadBackup } from "./load-backup.ts";
import { loadMetadata } from "./load-metadata.ts";

/** Damages reported of one backup: a disk that failed may have thousands, and the first say it all. */
const damagesMax = 1_000;

/** Progress is for people: told ten times a second. */
const progressIntervalMs = 100;

interface VerifyPlace {
  readonly storage: Storage;
  readonly clock: Clock;
}

/** @throws {BackupError} `not-found`; `unsupported`. Damage is a finding, not an error */
export async function verifyBackup(
  place: VerifyPlace,
  id: string,
  options: VerifyOptions,
  signal: AbortSignal,
): Promise<VerifyReport> {
  let loaded: LoadedBackup;
  try {
    loaded = await loadBackup(place.storage, id, signal);
  } catch (error) {
    if (!isBackupError(error, "damaged")) throw error;
    const object = parseBackupId(id) === undefined ? id : metadataName(id);
    return {
      id,
      ok: false,
      damages: [{ object, message: errorText(error) }],
      bytesRead: 0,
      entriesChecked: 0,
      databasesChecked: 0,
      unverified: false,
    };
  }
  return new Verification(place, loaded, options).run(signal);
}

class Verification {
  readonly #storage: Storage;
  readonly #clock: Clock;
  readonly #loaded: LoadedBackup;
  readonly #options: VerifyOptions;
  readonly #damages: Damage[] = [];
  readonly #bytesTotal: number;
  #bytesRead = 0;
  #entriesChecked = 0;
  #databasesChecked = 0;
  #progressAtMs = Number.NEGATIVE_INFINITY;

  constructor(place: VerifyPlace, loaded: LoadedBackup, options: VerifyOptions) {
    this.#storage = place.storage;
    this.#clock = place.clock;
    this.#loaded = loaded;
    this.#options = options;
    const ofArchive = loaded.backup.files.filter(({ role }) => role === "archive" || role === "contents");
    this.#bytesTotal =
      options.only === "storage"
        ? ofArchive.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
        : loaded.backup.storedBytes;
  }

  async run(signal: AbortSignal): Promise<VerifyReport> {
    const { backup } = this.#loaded;
    for (const file of this.#options.only === "storage" ? [] : backup.files) {
      signal.throwIfAborted();
      if (file.role === "database") await this.#verifyDatabase(file, signal);
      if (file.role === "metadata") await this.#verifyMetadata(file, signal);
    }
    await this.#verifyArchive(signal);
    await this.#verifyWhole(signal);
    this.#progressAtMs = Number.NEGATIVE_INFINITY;
    this.#progress(0);
    return {
      id: backup.id,
      ok: this.#damages.length === 0,
      damages: this.#damages.slice(0, damagesMax),
      bytesRead: this.#bytesRead,
      entriesChecked: this.#entriesChecked,
      databasesChecked: this.#databasesChecked,
      unverified: this.#loaded.metadata === undefined,
    };
  }

  async #verifyDatabase(file: BackupFile, signal: AbortSignal): Promise<void> {
    if (this.#options.depth === "stored") {
      await this.#readFile(file, undefined, signal);
      return;
    }
    // A file in a vault is never opened in place: SQLite would look for a journal beside it.
    const copy = join(this.#options.scratchDirectory, `verify-${randomUUID()}.db`);
    try {
      if (!(await this.#readFile(file, copy, signal))) return;
      const messages = await this.#options.checkDatabase(copy, signal);
      this.#databasesChecked++;
      if (this.#wasBadFromTheStart(file)) return;
      for (const message of messages) this.#report({ object: file.name, message });
    } finally {
      await unlink(copy).catch(() => undefined);
    }
  }

  /** A declared database that failed its check when it was captured is stored as it was: known, and not damage of the backup. */
  #wasBadFromTheStart(file: BackupFile): boolean {
    const database = this.#loaded.metadata?.databases.find((candidate) => candidate.file === file.name);
    return database !== undefined && !database.check.ok;
  }

  async #verifyMetadata(file: BackupFile, signal: AbortSignal): Promise<void> {
    // The backup's own document was read already and compared with its own checksum.
    if (file.name === metadataName(this.#loaded.backup.id)) this.#bytesRead += file.sizeBytes;
    else await this.#readFile(file, undefined, signal);
  }

  async #verifyArchive(signal: AbortSignal): Promise<void> {
    const archive = openArchive(this.#storage, this.#loaded);
    if (archive === undefined) return;
    const object = this.#loaded.backup.files.find((file) => file.role === "archive")?.name ?? "";
    const report = (damage: Damage): void => this.#report(damage);
    try {
      const progress = (bytesRead: number): void => this.#progress(bytesRead, object);
      const found = await archive.verify(this.#options.depth, report, progress, signal);
      this.#bytesRead += found.bytesRead;
      this.#entriesChecked += found.entriesChecked;
    } catch (error) {
      if (!isBackupError(error, "damaged", "not-found", "unsafe")) throw error;
      this.#report({ object, message: errorText(error) });
    }
  }

  /** A part is only as good as its place in the full backup. */
  async #verifyWhole(signal: AbortSignal): Promise<void> {
    const whole = this.#loaded.metadata?.partOf;
    if (whole === undefined || (await loadMetadata(this.#storage, whole, signal)) !== undefined) return;
    this.#report({ object: metadataName(whole), message: "it is missing" });
  }

  /** Reads and compares a whole file, into a copy where one is wanted. Returns whether they are what was stored. */
  async #readFile(file: BackupFile, copy: string | undefined, signal: AbortSignal): Promise<boolean> {
    const hash = createHash("sha256");
    let sizeBytes = 0;
    await using out = copy === undefined ? undefined : await openCopy(copy);
    try {
      for await (const chunk of this.#storage.get(file.name, undefined, signal)) {
        signal.throwIfAborted();
        hash.update(chunk);
        sizeBytes += chunk.byteLength;
        await out?.write(chunk);
        this.#progress(sizeBytes, file.name);
      }
    } catch (error) {
      if (!isBackupError(error, "not-found", "damaged")) throw error;
      const message = isBackupError(error, "not-found") ? "it is missing" : errorText(error);
      this.#report({ object: file.name, message });
      this.#bytesRead += sizeBytes;
      return false;
    }
    this.#bytesRead += sizeBytes;
    const wrong = describeDifference(file, sizeBytes, hash.digest("hex"));
    if (wrong !== "") this.#report({ object: file.name, message: wrong });
    return wrong === "";
  }

  #report(damage: Damage): void {
    this.#options.onDamage?.(damage);
    if (this.#damages.length < damagesMax) this.#damages.push(damage);
  }

  #progress(bytesOfThis: number, current?: string): void {
    const now = this.#clock.elapsed();
    if (now - this.#progressAtMs < progressIntervalMs) return;
    this.#progressAtMs = now;
    this.#options.observer.progress({
      phase: "verify",
      bytesDone: this.#bytesRead + bytesOfThis,
      itemsDone: this.#entriesChecked,
      bytesTotal: this.#bytesTotal,
      ...(current === undefined ? {} : { current }),
    });
  }
}

/** A private file for a copy. What fails here is ours, and never taken for damage of the backup. */
async function openCopy(
  path: string,
): Promise<AsyncDisposable & { write(chunk: Uint8Array): Promise<void> }> {
  const failed = (error: unknown): never => {
    const failure = fileError("write the copy", path, error);
    throw isBackupError(failure, "not-found")
      ? new BackupError("storage-unavailable", failure.message, { cause: failure })
      : failure;
  };
  const file = await open(path, "wx", 0o600).catch(failed);
  return {
    write: (chunk) => file.writeFile(chunk).catch(failed),
    [Symbol.asyncDispose]: () => file.close(),
  };
}
