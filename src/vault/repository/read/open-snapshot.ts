/**
 * A snapshot opened for reading: its trees, its roots and what they hold.
 *
 * @module
 */

import { asByteString, byteStringToDisplay } from "../../../domain/byte-string.ts";
import type { StoredEntry } from "../../../domain/entry.ts";
import type { BackupError } from "../../../domain/error.ts";
import type { TreeNode } from "../../../format/restic/model.ts";
import type { EntersFolder } from "../../vault.ts";
import type { Repository } from "../repository.ts";
import type { BlobLookup } from "../repository.ts";
import { BlobFetcher } from "./blob-fetch.ts";
import { BlobThreads } from "./blob-threads.ts";
import type { TreeRoot } from "./backup-roots.ts";
import { RepeatGuard } from "./repeat-guard.ts";
import { EntryMaker, type LeftOut } from "./stored-entries.ts";
import { KeptTrees, TreeSource } from "./tree-source.ts";
import { type WalkedNode, walkTree } from "./walk-tree.ts";

/** What reads need of a repository. Disposing ends its threads. */
export class RepositoryReading implements AsyncDisposable {
  readonly repo: Repository;
  readonly index: BlobLookup;
  readonly fetcher: BlobFetcher;
  readonly trees: TreeSource;
  readonly #threads: BlobThreads;

  /**
   * @param index Loaded after the snapshot was: what that names is in it then
   * @param kept Trees that were read before; left out, all are read again
   */
  constructor(repo: Repository, index: BlobLookup, kept: KeptTrees = new KeptTrees()) {
    this.repo = repo;
    this.index = index;
    this.#threads = new BlobThreads(repo.key);
    this.fetcher = new BlobFetcher(repo, index, this.#threads);
    this.trees = new TreeSource(repo, index, this.fetcher, kept);
  }

  /** Before much is read. */
  takeSpareWorkers(): void {
    if (this.repo.spareWorkers !== undefined) this.#threads.takeOver(this.repo.spareWorkers);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#threads[Symbol.asyncDispose]();
  }
}

/** An entry and the node it was made of. */
export interface EntryNode {
  readonly entry: StoredEntry;
  readonly node: TreeNode;
}

/** What is told to those who listen while entries are made. */
export interface EntryListener {
  readonly leftOut: LeftOut;
  /** Without it, a tree that cannot be read ends the walk. */
  readonly onDamage?: (shownPath: string, error: BackupError) => void;
}

/** All entries of the roots, in order, but for what lies in folders that are not entered. */
export async function* walkEntries(
  { trees }: Pick<RepositoryReading, "trees">,
  roots: readonly TreeRoot[],
  listener: EntryListener,
  signal: AbortSignal,
  enters: EntersFolder = () => true,
): AsyncGenerator<readonly EntryNode[], void, undefined> {
  const guard = new RepeatGuard();
  for (const root of roots) {
    const maker = new EntryMaker(root.name);
    const entriesOf = (nodes: readonly WalkedNode[]): readonly EntryNode[] => {
      const found: EntryNode[] = [];
      for (const walked of nodes) {
        const entry = maker.entryOf(walked);
        if (entry !== undefined) found.push({ entry, node: walked.node });
        else listener.leftOut.add(shownPath(root.name, walked.path), walked.node.type);
      }
      return found;
    };
    yield entriesOf([{ path: "" as StoredEntry["path"], node: root.node }]);
    const { subtree } = root.node;
    const top = { root: root.name, path: asByteString("") };
    if (root.node.type !== "dir" || subtree === undefined || !enters(top)) continue;
    const { onDamage } = listener;
    const options = {
      name: root.name,
      guard,
      wants: root.wants,
      enters: (path: StoredEntry["path"]): boolean => enters({ root: root.name, path }),
      ...(onDamage === undefined
        ? {}
        : {
            onDamage: (path: StoredEntry["path"], error: BackupError): void =>
              onDamage(shownPath(root.name, path), error),
          }),
    };
    for await (const nodes of walkTree(trees, subtree, options, signal)) yield entriesOf(nodes);
  }
}

/** How an entry is named to people. */
export function shownPath(root: string, path: StoredEntry["path"]): string {
  return path === "" ? root : `${root}/${byteStringToDisplay(path)}`;
}
