/**
 * One backup of a repository vault, opened for reading.
 *
 * @module
 */

import type { Backup, Problem } from "../../domain/backup.ts";
import type { ByteString } from "../../domain/byte-string.ts";
import type { StoredEntry } from "../../domain/entry.ts";
import { BackupError } from "../../domain/error.ts";
import type { Manifest } from "../../format/restic/manifest.ts";
import type { TreeNode } from "../../format/restic/model.ts";
import type { ByteRange } from "../../storage/storage.ts";
import type { BackupReader, EntersFolder, EntryWithContent, FileSink, ForeignSnapshot } from "../vault.ts";
import type { DescribedBackup } from "./describe-backup.ts";
import { describeFound, type FoundSnapshot, findSnapshot, openReading } from "./find-snapshot.ts";
import { offerSnapshot } from "./foreign/offer-snapshot.ts";
import { addRecords } from "./list-backups.ts";
import { rootsOfForeign, rootsOfManifest, type TreeRoot } from "./read/backup-roots.ts";
import { type EntryNode, type RepositoryReading, shownPath, walkEntries } from "./read/open-snapshot.ts";
import type { Subject } from "./read/plan-batches.ts";
import { ReadAhead, wrongSize } from "./read/read-ahead.ts";
import { readNode } from "./read/read-node.ts";
import { componentsOf, resolvePath } from "./read/resolve-path.ts";
import { LeftOut } from "./read/stored-entries.ts";
import { writeFiles } from "./read/write-files.ts";
import type { Repository } from "./repository.ts";

/**
 * Opens a backup. Reads its snapshot, the index and the folders that lead to its roots.
 *
 * @throws {BackupError} `not-found`, `damaged`, `unsupported`
 */
export async function openBackupReader(
  repo: Repository,
  id: string,
  signal: AbortSignal,
): Promise<BackupReader> {
  const opened = await openBackup(repo, id, "kept", signal);
  const [backup] = await addRecords(repo, [opened.described], signal);
  return new RepositoryBackupReader(opened, backup ?? opened.described.backup);
}

/** A backup with all that is needed to read it. Disposing ends its threads. */
export interface OpenedBackup {
  readonly reading: RepositoryReading;
  readonly found: FoundSnapshot;
  readonly described: DescribedBackup;
  readonly roots: readonly TreeRoot[];
}

/** @throws {BackupError} `not-found`, `damaged`, `unsupported` */
export async function openBackup(
  repo: Repository,
  id: string,
  trees: "kept" | "read-again",
  signal: AbortSignal,
): Promise<OpenedBackup> {
  const found = await findSnapshot(repo, id, signal);
  const reading = await openReading(repo, trees, signal);
  try {
    const described = await describeFound(() => Promise.resolve(reading), found, signal);
    return { reading, found, ...(await withRoots(reading, found, described, signal)) };
  } catch (error) {
    await reading[Symbol.asyncDispose]();
    throw error;
  }
}

async function withRoots(
  { trees }: RepositoryReading,
  { document }: FoundSnapshot,
  described: DescribedBackup,
  signal: AbortSignal,
): Promise<Pick<OpenedBackup, "described" | "roots">> {
  const { manifest, backup } = described;
  if (manifest !== undefined) {
    return { described, roots: await rootsOfManifest(trees, document, manifest, signal) };
  }
  // Where the manifest cannot be read, the tree still can, as restic's own.
  const roots = await rootsOfForeign(trees, document, signal);
  const named = roots.map(({ name, path }) => ({ name, path }));
  return { described: { ...described, backup: { ...backup, roots: named } }, roots };
}

class RepositoryBackupReader implements BackupReader {
  readonly backup: Backup;
  readonly foreign?: ForeignSnapshot;
  readonly #reading: RepositoryReading;
  readonly #manifest: Manifest | undefined;
  readonly #found: FoundSnapshot;
  readonly #roots: readonly TreeRoot[];
  readonly #leftOut = new LeftOut();

  constructor(opened: OpenedBackup, backup: Backup) {
    this.backup = backup;
    this.#reading = opened.reading;
    this.#manifest = opened.described.manifest;
    this.#found = opened.found;
    this.#roots = opened.roots;
    // Where a manifest cannot be read it is not known whose it is.
    const isForeign = this.#manifest === undefined && backup.source !== "";
    if (!isForeign) return;
    const origin = backup.copiedFrom ?? { id: backup.id, vault: opened.reading.repo.storage.location };
    this.foreign = offerSnapshot(opened.reading, opened.found, origin);
  }

  async *readDatabase(name: string, signal: AbortSignal): AsyncIterable<Uint8Array> {
    const node = await databaseNode(this.#reading, this.#found, this.#manifest, name, signal);
    yield* readNode(this.#reading, node, undefined, name, signal);
  }

  async *entries(signal: AbortSignal, enters?: EntersFolder): AsyncIterable<StoredEntry> {
    const listener = { leftOut: this.#leftOut };
    for await (const found of walkEntries(this.#reading, this.#roots, listener, signal, enters)) {
      for (const { entry } of found) yield entry;
    }
  }

  async *read(
    entry: StoredEntry,
    range: ByteRange | undefined,
    signal: AbortSignal,
  ): AsyncIterable<Uint8Array> {
    const node = await this.#nodeOf(entry, signal);
    const shown = shownPath(entry.root, entry.path);
    if (node?.type !== "file") {
      throw new BackupError(
        node === undefined ? "not-found" : "invalid-input",
        `Cannot read ${shown}: ${this.backup.id} holds no such file`,
      );
    }
    yield* readNode(this.#reading, node, range, shown, signal);
  }

  async *contents(
    select: (entry: StoredEntry) => boolean,
    signal: AbortSignal,
    enters?: EntersFolder,
  ): AsyncIterable<EntryWithContent> {
    const walk = walkEntries(this.#reading, this.#roots, { leftOut: this.#leftOut }, signal, enters);
    const { fetcher, index } = this.#reading;
    await using ahead = new ReadAhead(fetcher, index, selected(walk, select), signal);
    for (let turn = await ahead.next(); turn !== undefined; turn = await ahead.next()) {
      signal.throwIfAborted();
      const entry = turn.value;
      yield turn.hasContent ? { entry, content: sizedContent(ahead, entry) } : { entry };
    }
  }

  async writeContents(
    select: (entry: StoredEntry) => boolean,
    sink: FileSink,
    signal: AbortSignal,
  ): Promise<void> {
    const walk = walkEntries(this.#reading, this.#roots, { leftOut: this.#leftOut }, signal);
    this.#reading.takeSpareWorkers();
    await writeFiles(this.#reading, selected(walk, select), sink, signal);
  }

  leftOut(): readonly Problem[] {
    return this.#leftOut.list();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#reading[Symbol.asyncDispose]();
  }

  async #nodeOf({ root, path }: StoredEntry, signal: AbortSignal): Promise<TreeNode | undefined> {
    const found = this.#roots.find(({ name }) => name === root);
    if (found === undefined || path === "") return found?.node;
    if (found.node.subtree === undefined) return undefined;
    const components = path.split("/") as ByteString[];
    return await resolvePath(this.#reading.trees, found.node.subtree, components, root, signal);
  }
}

/** @throws {BackupError} `not-found`; `damaged` if the manifest names what the tree does not hold */
export async function databaseNode(
  { trees }: RepositoryReading,
  { backupId, document }: FoundSnapshot,
  manifest: Manifest | undefined,
  name: string,
  signal: AbortSignal,
): Promise<TreeNode> {
  const database = manifest?.databases.find((candidate) => candidate.name === name);
  if (database === undefined) {
    throw new BackupError("not-found", `Cannot read database ${name}: ${backupId} does not hold it`);
  }
  const node = await resolvePath(trees, document.tree, componentsOf(database.treePath), "", signal);
  if (node?.type === "file" && node.sizeBytes === database.sizeBytes) return node;
  const state =
    node?.type === "file" ? `it has ${node.sizeBytes} bytes, wanted ${database.sizeBytes}` : "it is missing";
  throw new BackupError("damaged", `Cannot read database ${name}: ${state}`);
}

/** What is wanted of a walk, with the blobs of those that have bytes. */
async function* selected(
  walk: AsyncIterable<readonly EntryNode[]>,
  select: (entry: StoredEntry) => boolean,
): AsyncGenerator<readonly Subject<StoredEntry>[], void, undefined> {
  for await (const found of walk) {
    const subjects: Subject<StoredEntry>[] = [];
    for (const { entry, node } of found) if (select(entry)) subjects.push(subjectOf(entry, node));
    yield subjects;
  }
}

function subjectOf(entry: StoredEntry, { content = [] }: TreeNode): Subject<StoredEntry> {
  // An empty file has bytes too, none of them; a further name of another has not.
  return entry.contentId === undefined ? { value: entry } : { value: entry, content };
}

/** The bytes of an entry, which must be as many as it says. */
async function* sizedContent(
  ahead: ReadAhead<StoredEntry>,
  entry: StoredEntry,
): AsyncGenerator<Uint8Array, void, undefined> {
  const shown = (): string => shownPath(entry.root, entry.path);
  let bytes = 0;
  for await (const chunk of ahead.content(shown)) {
    bytes += chunk.length;
    if (bytes > entry.sizeBytes) break;
    yield chunk;
  }
  if (bytes !== entry.sizeBytes) throw wrongSize(shown(), bytes, entry.sizeBytes);
}
