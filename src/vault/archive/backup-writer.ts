/**
 * One backup on its way into an archive vault: bytes first, under names that its
 * run has reserved, then the parts' metadata, then the metadata that makes it
 * visible (I1).
 *
 * @module
 */

import { rm } from "node:fs/promises";
import type { Backup } from "../../domain/backup.ts";
import type { Clock } from "../../domain/clock.ts";
import type { Entry } from "../../domain/entry.ts";
import { BackupError, isBackupError } from "../../domain/error.ts";
import {
  archiveName,
  backupId,
  contentsName,
  databaseName,
  makeLabel,
  metadataName,
} from "../../format/archive/file-names.ts";
import type { MetadataDatabase } from "../../format/archive/metadata.ts";
import type { Storage } from "../../storage/storage.ts";
import type { OwnerNames } from "../owner-names.ts";
import type {
  AddedEntry,
  BackupSummary,
  BackupWriter,
  BeginOptions,
  DatabaseImage,
  ExpectedImage,
} from "../vault.ts";
import { composeMetadata, type MetadataDocument, whyUnreadableBack } from "./backup-metadata.ts";
import { type ArchiveResult, type ArchiveWriter, openArchiveWriter } from "./bytes/archive-writer.ts";
import { describeOurs } from "./describe-backup.ts";
import { ImageHash } from "./expected-image.ts";
import { mayBeForeign } from "./foreign-names.ts";
import type { RunLock } from "./locks/run-lock.ts";
import type { RunLocks } from "./locks/run-locks.ts";
import { storeDatabase } from "./store-database.ts";
import { notingTaken } from "./taken-names.ts";

/** Undoing has a signal of its own, because that of the run is often aborted already. */
const abortTimeoutMs = 60_000;

export interface BackupWriterOptions {
  readonly storage: Storage;
  readonly clock: Clock;
  readonly locks: RunLocks;
  readonly lock: RunLock;
  readonly begun: BeginOptions;
  readonly parent: { readonly archiveName: string; readonly contentsName: string } | undefined;
  readonly toolVersion: string;
  readonly ownerNames: OwnerNames | undefined;
}

export class ArchiveBackupWriter implements BackupWriter {
  readonly id: string;
  readonly #options: BackupWriterOptions;
  readonly #stamp: string;
  readonly #labels = new Set<string>();
  readonly #databases: MetadataDatabase[] = [];
  /** Names this writer may have put, in the order they were tried. */
  readonly #names: string[] = [];
  /** Those of them that were somebody else's. */
  readonly #taken = new Set<string>();
  readonly #aborting = new AbortController();
  readonly #expected = new Map<string, ImageHash>();
  #announcing: Promise<void> | undefined;
  #storing: Promise<void> = Promise.resolve();
  #storingError: { readonly error: unknown } | undefined;
  #archive: Promise<ArchiveWriter> | undefined;
  #ended = false;

  constructor(options: BackupWriterOptions) {
    this.#options = { ...options, storage: notingTaken(options.storage, this.#taken) };
    this.#stamp = options.lock.stamp;
    this.id = backupId(options.begun.type, this.#stamp);
  }

  expectDatabase(imagePath: string, signal: AbortSignal): ExpectedImage {
    // Made durable while the image is checked.
    const announce = (): void => void this.#announce(signal).catch(() => undefined);
    const expected = new ImageHash(imagePath, announce);
    this.#expected.set(imagePath, expected);
    return expected;
  }

  /** Returns when the image is accepted: it is hashed and made durable while files are read; `finish` waits for it. */
  async addDatabase(image: DatabaseImage, signal: AbortSignal): Promise<void> {
    if (this.#options.begun.type === "storage") throw new TypeError("a storage backup takes no database");
    this.#throwIfFailed();
    this.#expected.get(image.imagePath)?.complete();
    const label = this.#nextLabel(image.name);
    const file = databaseName(this.#stamp, label);
    const either = AbortSignal.any([signal, this.#aborting.signal]);
    this.#names.push(file);
    // One after the other: they share a disk.
    this.#storing = this.#storing.then(async () => {
      if (this.#storingError !== undefined) return;
      try {
        if (mayBeForeign(file)) await this.#announce(either);
        const foreseen = await this.#expected.get(image.imagePath)?.resultUnless(either);
        const sha256 = await storeDatabase(this.#options.storage, file, image, foreseen, either);
        this.#databases.push(storedDatabase(image, file, sha256));
      } catch (error) {
        // The vault took it over, and storing may not have begun.
        await rm(image.imagePath, { force: true }).catch(() => undefined);
        this.#storingError = { error };
      }
    });
  }

  async settle(entries: readonly Entry[], signal: AbortSignal): Promise<readonly boolean[]> {
    const archive = await this.#openArchive(signal);
    return archive.settle(entries, signal);
  }

  async add(entries: readonly AddedEntry[], signal: AbortSignal): Promise<void> {
    this.#throwIfFailed();
    const archive = await this.#openArchive(signal);
    await archive.add(entries, signal);
  }

  async finish(summary: BackupSummary, signal: AbortSignal): Promise<Backup> {
    if (this.#ended) throw new TypeError("the backup has ended already");
    const archive = await this.#finishArchive(signal);
    await this.#storing;
    // Of images that never came.
    this.#stopExpecting();
    this.#throwIfFailed();
    const documents = composeMetadata({
      stamp: this.#stamp,
      begun: this.#options.begun,
      toolVersion: this.#options.toolVersion,
      databases: this.#databases,
      archive,
      summary,
      durationMs: summary.durationMs(),
    });
    await this.#putMetadata(documents, signal);
    this.#ended = true;
    await this.#options.locks.release(this.#options.lock, this.#options.begun);
    const top = documents.at(-1) as MetadataDocument;
    return describeOurs(top.metadata, top.bytes.byteLength);
  }

  async abort(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    const { locks, lock, begun } = this.#options;
    this.#aborting.abort();
    this.#stopExpecting();
    await this.#storing;
    await this.#archive?.then((archive) => archive.abort()).catch(() => undefined);
    try {
      await this.#removeWritten();
    } catch {
      // Not released: its reservation keeps what stays behind invisible until it is cleaned (I8).
      begun.observer.warning(`What was written of ${this.id} could not be removed; a later run cleans it up`);
      lock.abandon();
      return;
    }
    await locks.release(lock, begun);
  }

  async #removeWritten(): Promise<void> {
    const signal = AbortSignal.timeout(abortTimeoutMs);
    if (!(await this.#ownsNames(signal))) return;
    // I3: the name first, in case only the answer to its put was lost, then the bytes.
    const own = this.#names.filter((name) => !this.#taken.has(name)).toReversed();
    for (const name of own) await this.#options.storage.remove([name], signal);
  }

  /** If others took this run for gone, the names may be somebody else's by now. */
  async #ownsNames(signal: AbortSignal): Promise<boolean> {
    const { lock, storage } = this.#options;
    try {
      await lock.assertHeld(signal);
      return true;
    } catch (error) {
      if (!isBackupError(error, "locked")) throw error;
    }
    return (await lock.reclaim(signal)) && (await storage.stat(metadataName(this.id), signal)) === undefined;
  }

  async #putMetadata(documents: readonly MetadataDocument[], signal: AbortSignal): Promise<void> {
    for (const document of documents) {
      signal.throwIfAborted();
      const unreadable = whyUnreadableBack(document);
      if (unreadable !== "") throw new BackupError("bug", `Cannot describe ${this.id}: ${unreadable}`);
      // I7: somebody who took this run for gone may have cleaned its bytes away.
      await this.#options.lock.assertHeld(signal);
      this.#names.push(document.name);
      await this.#options.storage.put(document.name, document.bytes, signal);
    }
    await this.#assertStillHeld(documents.at(-1)?.name ?? "", signal);
  }

  /** Once more, for a machine that slept during the last put: then the name, which is ours, is taken back. */
  async #assertStillHeld(name: string, signal: AbortSignal): Promise<void> {
    try {
      await this.#options.lock.assertHeld(signal);
    } catch (error) {
      await this.#options.storage.remove([name], AbortSignal.timeout(abortTimeoutMs));
      throw error;
    }
  }

  #openArchive(signal: AbortSignal): Promise<ArchiveWriter> {
    const { storage, begun, parent, clock, ownerNames } = this.#options;
    if (begun.type === "database") throw new TypeError("a database backup takes no entries");
    if (this.#archive === undefined) {
      const names = { archiveName: archiveName(this.#stamp), contentsName: contentsName(this.#stamp) };
      this.#names.push(names.archiveName, names.contentsName);
      const { roots, level, observer } = begun;
      const owners = ownerNames === undefined ? {} : { ownerNames };
      const options = { storage, ...names, roots, parent, level, observer, clock, ...owners };
      this.#archive = openArchiveWriter(options, signal);
    }
    return this.#archive;
  }

  async #finishArchive(signal: AbortSignal): Promise<ArchiveResult | undefined> {
    const { type, roots } = this.#options.begun;
    // A full backup of a source without folders has no storage part.
    if (type === "database" || (type === "full" && roots.length === 0)) return undefined;
    const archive = await this.#openArchive(signal);
    return archive.finish(signal);
  }

  /** I8: of the names of its databases only that of the first could be another program's. */
  #announce(signal: AbortSignal): Promise<void> {
    const file = databaseName(this.#stamp, "");
    if (!mayBeForeign(file)) return Promise.resolve();
    this.#announcing ??= this.#options.lock.announce(file, signal).catch((error: unknown) => {
      this.#announcing = undefined;
      throw error;
    });
    return this.#announcing;
  }

  #stopExpecting(): void {
    for (const expected of this.#expected.values()) expected.stop();
  }

  #nextLabel(name: string): string {
    if (this.#labels.size === 0) {
      this.#labels.add("");
      return "";
    }
    const label = makeLabel(name, this.#labels);
    this.#labels.add(label);
    return label;
  }

  #throwIfFailed(): void {
    if (this.#ended) throw new TypeError("the backup has ended already");
    if (this.#storingError !== undefined) throw this.#storingError.error;
  }
}

function storedDatabase(image: DatabaseImage, file: string, sha256: string): MetadataDatabase {
  const { imagePath: _, ...database } = image;
  return { ...database, file, sha256 };
}
