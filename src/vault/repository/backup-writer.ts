/**
 * One backup on its way into a repository: blobs into packs, packs named by indexes,
 * and last the snapshot that makes it visible (I1). What happens before that can be
 * seen by nobody (I8).
 *
 * @module
 */

import { rm } from "node:fs/promises";
import type { Backup } from "../../domain/backup.ts";
import { byteStringFromText } from "../../domain/byte-string.ts";
import type { Entry } from "../../domain/entry.ts";
import { BackupError } from "../../domain/error.ts";
import { backupOfManifest, encodeManifest, type Manifest } from "../../format/restic/manifest.ts";
import { parseManifest } from "../../format/restic/manifest-parse.ts";
import type { ObjectId } from "../../format/restic/model.ts";
import { encodeSnapshot } from "../../format/restic/snapshot.ts";
import type { OwnerNames } from "../owner-names.ts";
import { ProblemLog } from "../problem-log.ts";
import type { AddedEntry, BackupSummary, BackupWriter, BeginOptions, DatabaseImage } from "../vault.ts";
import { BlobIndex } from "./blob-index.ts";
import { requirePacks } from "./data-folders.ts";
import { loadSharedIndex } from "./load-index.ts";
import type { RepositoryLock } from "./locks/repository-lock.ts";
import { putDocument, removeObjects, sealDocument } from "./objects.ts";
import type { Repository } from "./repository.ts";
import { type BlobStore, openBlobStore } from "./store/blob-store.ts";
import { SourceFiles } from "./store/source-files.ts";
import { StreamChunks } from "./store/stream-chunks.ts";
import { readThisUser } from "./this-user.ts";
import { BackupTree } from "./write/backup-tree.ts";
import { composeManifest, composeSnapshot, type WrittenBackup } from "./write/compose-manifest.ts";
import { databaseChunkBytes } from "./write/database-chunks.ts";
import { DatabasePlaces } from "./write/database-places.ts";
import { EntryStore } from "./write/entry-store.ts";
import { findParent, openParent, type Parent } from "./write/open-parent.ts";
import { StoreProgress } from "./write/store-progress.ts";
import { NodeMaker } from "./write/tree-nodes.ts";

/** Undoing has a signal of its own, because that of the run is often aborted already. */
const undoTimeoutMs = 60_000;

export interface BackupWriterOptions {
  readonly repo: Repository;
  /** Shared; released when the writer ends. */
  readonly lock: RepositoryLock;
  readonly begun: BeginOptions;
  readonly ownerNames: OwnerNames | undefined;
}

/** Starts a backup. If this throws, the lock is still the caller's. */
export async function openBackupWriter(
  options: BackupWriterOptions,
  signal: AbortSignal,
): Promise<BackupWriter> {
  const { repo, begun } = options;
  checkDescribable(begun, repo.toolVersion);
  const warn = (message: string): void => begun.observer.warning(message);
  // Before the index, so that what it names is in there.
  const found = await findParent(repo, begun.parent, warn, signal);
  const { index: known, damaged } = await loadSharedIndex(repo, signal);
  await requirePacks(repo.storage, known, signal);
  // Packs of this run are nobody else's before an index names them.
  const index = new BlobIndex(known);
  // What only these list is stored again: the backup does without them.
  for (const { error } of damaged) warn(error.message);
  const { roots } = begun;
  const parent = found && (await openParent(repo, index, { found, roots, warn }, signal));
  return new RepositoryBackupWriter(options, index, parent, signal);
}

class RepositoryBackupWriter implements BackupWriter {
  readonly #options: BackupWriterOptions;
  readonly #parent: Parent | undefined;
  readonly #aborting = new AbortController();
  readonly #store: BlobStore;
  readonly #files: SourceFiles;
  readonly #databases: DatabasePlaces;
  readonly #tree: BackupTree;
  readonly #entries: EntryStore;
  readonly #problems: ProblemLog;
  readonly #progress: StoreProgress;
  /** Images that were taken over and are still there. */
  readonly #images = new Set<string>();
  /** The snapshot, once it may have been put. */
  #snapshot: ObjectId | undefined;
  #finishing: Promise<Backup> | undefined;
  #ended = false;
  #id: string | undefined;

  constructor(
    options: BackupWriterOptions,
    index: BlobIndex,
    parent: Parent | undefined,
    signal: AbortSignal,
  ) {
    const { repo, lock, begun, ownerNames } = options;
    this.#options = options;
    this.#parent = parent;
    const either = AbortSignal.any([signal, lock.lost, this.#aborting.signal]);
    const assertHeld = (held: AbortSignal): Promise<void> => lock.assertHeld(held);
    this.#store = openBlobStore(repo, index, { level: begun.level, assertHeld }, either);
    this.#files = new SourceFiles(this.#store);
    const nodes = new NodeMaker(ownerNames);
    const { roots, startedAtMs, copiedFrom } = begun;
    this.#databases = new DatabasePlaces(nodes, startedAtMs);
    const isOfThisMachine = copiedFrom === undefined;
    const tree = { nodes, databases: this.#databases, roots, startedAtMs, isOfThisMachine };
    this.#tree = new BackupTree({ store: this.#store, ...tree });
    this.#problems = new ProblemLog(begun.observer);
    this.#progress = new StoreProgress(begun.observer, repo.clock, () => this.#store.bytesRead);
    this.#entries = new EntryStore({
      store: this.#store,
      files: this.#files,
      streams: new StreamChunks(this.#store, repo.config.chunkerPolynomial),
      nodes,
      settler: parent?.settler,
      problems: this.#problems,
      builderOf: (root) => this.#tree.builderOf(root),
      progress: (bytes, items) => this.#progress.add(bytes, items),
    });
  }

  get id(): string | undefined {
    return this.#id;
  }

  /** Returns when the image is accepted; `finish` waits until it is stored. */
  async addDatabase(image: DatabaseImage, signal: AbortSignal): Promise<void> {
    if (this.#options.begun.type === "storage") throw new TypeError("a storage backup takes no database");
    this.#throwIfEnded();
    signal.throwIfAborted();
    const { imagePath, sizeBytes, pageSizeBytes } = image;
    this.#images.add(imagePath);
    const stored = this.#databases.add(image);
    const chunkBytes = databaseChunkBytes(pageSizeBytes, sizeBytes);
    const path = byteStringFromText(imagePath);
    await this.#files.addImage({ path, sizeBytes, chunkBytes }, async (content) => {
      stored(content);
      await rm(imagePath, { force: true });
      this.#images.delete(imagePath);
    });
  }

  async settle(entries: readonly Entry[], signal: AbortSignal): Promise<readonly boolean[]> {
    signal.throwIfAborted();
    this.#throwIfNoEntries();
    return (await this.#parent?.settler.settle(entries, signal)) ?? entries.map(() => false);
  }

  async add(entries: readonly AddedEntry[], signal: AbortSignal): Promise<void> {
    this.#throwIfEnded();
    this.#throwIfNoEntries();
    await this.#entries.add(entries, signal);
  }

  async finish(summary: BackupSummary, signal: AbortSignal): Promise<Backup> {
    this.#throwIfEnded();
    if (this.#finishing !== undefined) throw new TypeError("the backup is being finished already");
    this.#finishing = this.#finish(summary, AbortSignal.any([signal, this.#aborting.signal]));
    return await this.#finishing;
  }

  async abort(): Promise<void> {
    if (this.#ended) return;
    this.#aborting.abort();
    await this.#finishing?.catch(() => undefined);
    // It may have come about after all.
    if (this.#ended) return;
    this.#ended = true;
    await this.#store.close();
    await this.#files.quiesce();
    await this.#undo();
    await this.#release();
  }

  async #finish(summary: BackupSummary, signal: AbortSignal): Promise<Backup> {
    this.#tree.end();
    await this.#files.finish();
    await this.#store.flushFiles();
    this.#progress.end();
    signal.throwIfAborted();
    const composed = composeManifest(this.#written(summary));
    const text = encodeManifest(composed);
    const manifest = readBack(text);
    const tree = this.#tree.save(text);
    // I1: everything the snapshot names is durable, and named by an index, before it is there.
    await this.#store.flush();
    await this.#putSnapshot(manifest, text, tree, signal);
    this.#ended = true;
    await this.#store.close();
    await this.#release();
    return backupOfManifest(manifest, this.#id ?? "");
  }

  #written(summary: BackupSummary): WrittenBackup {
    const { repo, begun } = this.#options;
    return {
      begun,
      summary,
      databases: this.#databases.list(),
      roots: this.#tree.storedRoots(),
      problems: this.#problems,
      counts: { ...this.#entries.counts, databases: this.#databases.count },
      sourceBytes: this.#entries.sourceBytes + this.#databases.sizeBytes,
      storedBytes: this.#store.added.packedBytes,
      toolVersion: repo.toolVersion,
    };
  }

  async #putSnapshot(manifest: Manifest, text: string, tree: ObjectId, signal: AbortSignal): Promise<void> {
    const { repo, lock } = this.#options;
    const user = readThisUser();
    const { added } = this.#store;
    const document = composeSnapshot(manifest, text, { tree, parent: this.#parent?.snapshotId, user, added });
    const sealed = sealDocument(repo, encodeSnapshot(document));
    // I7: somebody who took this run for gone may have removed its packs.
    await lock.assertHeld(signal);
    this.#snapshot = sealed.id;
    await putDocument(repo, "snapshots", sealed, signal);
    // Once more, for a machine that slept during the put: then `abort` takes the name back.
    await lock.assertHeld(signal);
    this.#id = sealed.id;
  }

  /** I3: the name first. Packs stay; a prune removes those that no index names, or nobody needs. */
  async #undo(): Promise<void> {
    const { repo, begun } = this.#options;
    if (this.#snapshot !== undefined) {
      try {
        await removeObjects(repo, "snapshots", [this.#snapshot], AbortSignal.timeout(undoTimeoutMs));
      } catch {
        begun.observer.warning(`The snapshot ${this.#snapshot} could not be removed again`);
      }
    }
    for (const image of this.#images) await rm(image, { force: true }).catch(() => undefined);
  }

  async #release(): Promise<void> {
    await this.#parent?.[Symbol.asyncDispose]();
    await this.#options.lock.release();
  }

  #throwIfEnded(): void {
    if (this.#ended) throw new TypeError("the backup has ended already");
  }

  #throwIfNoEntries(): void {
    if (this.#options.begun.type === "database") throw new TypeError("a database backup takes no entries");
  }
}

/** The manifest as a reader gets it. */
function readBack(text: string): Manifest {
  const parsed = parseManifest(text);
  if (parsed.outcome === "ours") return parsed.manifest;
  const reason = parsed.outcome === "damaged" ? parsed.reason : "it would be of a newer version";
  throw new BackupError("bug", `Cannot describe the backup: ${reason}`);
}

/** Refuses what could not be read back, before hours of work instead of after. @throws {BackupError} `invalid-input` */
function checkDescribable(begun: BeginOptions, toolVersion: string): void {
  const counts = { databases: 0, files: 0, directories: 0, symlinks: 0, unchangedFiles: 0 };
  const summary = { problems: [], problemCount: 0, suspect: () => "", durationMs: () => 0 };
  const problems = { problems: [], count: 0, incomplete: false };
  const nothing = { databases: [], roots: [], sourceBytes: 0, storedBytes: 0 };
  const text = encodeManifest(composeManifest({ begun, summary, counts, problems, toolVersion, ...nothing }));
  const parsed = parseManifest(text);
  if (parsed.outcome !== "damaged") return;
  throw new BackupError("invalid-input", `Cannot describe the backup: ${parsed.reason}`);
}
