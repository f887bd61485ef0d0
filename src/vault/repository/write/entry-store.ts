/**
 * Stores the entries of a backup: files through the blob store, everything as nodes
 * of the trees of their roots. What fails for one entry is reported and the rest goes on.
 *
 * @module
 */

import { closeSync, openSync, readSync } from "node:fs";
import type { BackupCounts } from "../../../domain/backup.ts";
import { type ByteString, byteStringFromText, byteStringToDisplay } from "../../../domain/byte-string.ts";
import type { Entry } from "../../../domain/entry.ts";
import { BackupError } from "../../../domain/error.ts";
import type { TreeNode } from "../../../format/restic/model.ts";
import { headerBytes, parseDatabaseHeader } from "../../../format/sqlite/header.ts";
import type { ProblemLog } from "../../problem-log.ts";
import type { AddedEntry } from "../../vault.ts";
import type { BlobStore } from "../store/blob-store.ts";
import type { SourceFileResult, SourceFiles } from "../store/source-files.ts";
import type { StreamChunks } from "../store/stream-chunks.ts";
import { databaseChunkBytes } from "./database-chunks.ts";
import type { EarlierNode } from "./earlier-tree.ts";
import { HardLinks } from "./hard-links.ts";
import type { Settler } from "./settle.ts";
import type { NodeSlot, TreeBuilder } from "./tree-builder.ts";
import type { FileContent, NodeFacts, NodeMaker } from "./tree-nodes.ts";

export interface EntryStoreOptions {
  readonly store: BlobStore;
  readonly files: SourceFiles;
  readonly streams: StreamChunks;
  readonly nodes: NodeMaker;
  readonly settler: Settler | undefined;
  readonly problems: ProblemLog;
  /** The builder of a root's trees. */
  readonly builderOf: (root: string) => TreeBuilder;
  /** Hears of each entry that is done with, and of bytes that no thread has read. */
  readonly progress: (bytes: number, items: number) => void;
}

export class EntryStore {
  readonly #options: EntryStoreOptions;
  readonly #links = new HardLinks();
  readonly #counts = { files: 0, directories: 0, symlinks: 0, unchangedFiles: 0 };
  #sourceBytes = 0;

  constructor(options: EntryStoreOptions) {
    this.#options = options;
  }

  /** Databases are not its business and count 0. */
  get counts(): BackupCounts {
    return { databases: 0, ...this.#counts };
  }

  /** Bytes of files, however they were stored. */
  get sourceBytes(): number {
    return this.#sourceBytes;
  }

  /** Accepts entries in order; waits while too much is under way. */
  async add(entries: readonly AddedEntry[], signal: AbortSignal): Promise<void> {
    await this.#options.store.room();
    for (const { entry, settled } of entries) {
      signal.throwIfAborted();
      const before = this.#options.settler?.takeNode(entry);
      if (entry.kind !== "file") this.#addBare(entry, before);
      else if (settled && before !== undefined) this.#addUnchanged(entry, before);
      else if (entry.hardLinkTo !== undefined) this.#addFurtherName(entry, entry.hardLinkTo);
      else await this.#addFile(entry, this.#slotOf(entry), signal);
    }
  }

  #addBare(entry: Entry, before: EarlierNode | undefined): void {
    const { nodes, progress, settler } = this.#options;
    const trees = this.#treesOf(entry);
    const name = trees.nameOf(entry.path);
    if (entry.kind === "directory") {
      trees.addDirectory(entry.path, nodes.directory(name, entry), settler?.takeDirectory(entry));
      this.#counts.directories++;
    } else {
      if (before?.tree.describes(before.row, entry, nodes) === true) trees.addEarlier(entry.path, before);
      else trees.addSlot(entry.path).fill(nodes.symlink(name, entry));
      this.#counts.symlinks++;
    }
    progress(0, 1);
  }

  #addUnchanged(entry: Entry, before: EarlierNode): void {
    const { sizeBytes } = entry;
    const { tree, row } = before;
    if (tree.describes(row, entry, this.#options.nodes)) {
      this.#treesOf(entry).addEarlier(entry.path, before);
      // Most have one name, and their nodes need not be made.
      if (entry.links !== 1) this.#links.found(entry, tree.nodeAt(row));
      this.#noteFile(sizeBytes);
    } else {
      const { content = [] } = tree.nodeAt(row);
      this.#fill(entry, this.#slotOf(entry), entry, { content, sizeBytes });
    }
    this.#counts.unchangedFiles++;
    this.#options.progress(sizeBytes, 1);
  }

  async #addFile(entry: Entry, slot: NodeSlot, signal: AbortSignal): Promise<void> {
    const { content, sizeBytes } = entry;
    this.#links.expect(entry);
    if (content === undefined) {
      this.#fill(entry, slot, entry, { content: [], sizeBytes: 0 });
      this.#options.progress(0, 1);
    } else if (content.from === "path") {
      const done = (result: SourceFileResult): void => this.#storedFile(entry, slot, result);
      await this.#options.files.add(content.path, sizeBytes, done);
    } else if (content.from === "image") await this.#addImage(entry, slot, content.path);
    else await this.#addStream(entry, slot, content.open(signal), signal);
  }

  #storedFile(entry: Entry, slot: NodeSlot, { outcome, facts }: SourceFileResult): void {
    this.#options.progress(0, 1);
    if (outcome.outcome === "unstored") {
      this.#lose(entry, slot, outcome.problem, outcome.message);
      return;
    }
    // Its times must not make it look unchanged next time.
    this.#fill(entry, slot, outcome.changed ? { ...facts, ctimeNs: 0n } : facts, outcome);
    if (outcome.changed) {
      this.#options.problems.add("changed-while-read", entry, "It changed while it was read, twice");
    }
  }

  /** A database found among the files: its image lies in a scratch file, and comes with times of 0. */
  async #addImage(entry: Entry, slot: NodeSlot, imagePath: string): Promise<void> {
    const { sizeBytes } = entry;
    const chunkBytes = databaseChunkBytes(pageSizeOf(imagePath), sizeBytes);
    await this.#options.files.addImage(
      { path: byteStringFromText(imagePath), sizeBytes, chunkBytes },
      (content) => {
        this.#fill(entry, slot, entry, { content, sizeBytes });
        this.#options.progress(0, 1);
      },
    );
  }

  /** Bytes of another backup. `openParent` settles nothing against a copy: a file may have been a captured image there. */
  async #addStream(
    entry: Entry,
    slot: NodeSlot,
    stream: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<void> {
    const tooLong = (total: number): void => {
      if (total > entry.sizeBytes)
        throw wrongLength(entry, `there are more than its ${entry.sizeBytes} bytes`);
    };
    const content = await this.#options.streams.save(stream, tooLong, signal);
    if (content.sizeBytes < entry.sizeBytes) {
      throw wrongLength(entry, `there are ${content.sizeBytes} bytes, wanted ${entry.sizeBytes}`);
    }
    this.#fill(entry, slot, entry, content);
    this.#options.progress(content.sizeBytes, 1);
  }

  #addFurtherName(entry: Entry, first: ByteString): void {
    const slot = this.#slotOf(entry);
    const name = this.#treesOf(entry).nameOf(entry.path);
    this.#links.follow(entry, first, {
      found: (node) => {
        slot.fill({ ...node, name });
        this.#counts.files++;
        this.#options.progress(0, 1);
      },
      lost: (path) => this.#addLostName(entry, slot, path),
    });
  }

  /** The name that had the content is not in the backup: this one takes its place. */
  #addLostName(entry: Entry, slot: NodeSlot, path: ByteString | undefined): void {
    if (path === undefined) {
      this.#lose(entry, slot, "unreadable", "It is a further name of a file that could not be read");
      return;
    }
    const done = (result: SourceFileResult): void => this.#storedFile(entry, slot, result);
    // Nobody waits here: names are few, and the store itself says when it fails.
    this.#options.files
      .add(path, entry.sizeBytes, done)
      .catch((error: unknown) => this.#options.store.fail(error));
  }

  #fill(entry: Entry, slot: NodeSlot, facts: NodeFacts, content: FileContent): void {
    const name = this.#treesOf(entry).nameOf(entry.path);
    const node: TreeNode = this.#options.nodes.file(name, facts, content);
    slot.fill(node);
    this.#links.found(entry, node);
    this.#noteFile(node.sizeBytes);
  }

  #noteFile(sizeBytes: number): void {
    this.#counts.files++;
    this.#sourceBytes += sizeBytes;
  }

  #lose(entry: Entry, slot: NodeSlot, problem: "vanished" | "unreadable", message: string): void {
    this.#options.problems.add(problem, entry, message);
    slot.fill(undefined);
    this.#links.lost(entry);
  }

  #slotOf(entry: Entry): NodeSlot {
    return this.#treesOf(entry).addSlot(entry.path);
  }

  #treesOf({ root }: Entry): TreeBuilder {
    return this.#options.builderOf(root);
  }
}

/** 0 where it cannot be told. */
function pageSizeOf(imagePath: string): number {
  const header = Buffer.alloc(headerBytes);
  const descriptor = openSync(imagePath, "r");
  try {
    const count = readSync(descriptor, header, 0, headerBytes, 0);
    return parseDatabaseHeader(header.subarray(0, count))?.pageSizeBytes ?? 0;
  } finally {
    closeSync(descriptor);
  }
}

function wrongLength({ root, path }: Entry, state: string): BackupError {
  const shown = path === "" ? root : `${root}/${byteStringToDisplay(path)}`;
  return new BackupError("damaged", `Cannot store ${shown}: ${state}`);
}
