/**
 * The tree of a backup as a whole: the trees of its roots, its databases, the folders
 * above them and the manifest.
 *
 * @module
 */

import { type BigIntStats, statSync } from "node:fs";
import type { ByteString } from "../../../domain/byte-string.ts";
import { byteStringFromText } from "../../../domain/byte-string.ts";
import type { EntryRoot } from "../../../domain/entry.ts";
import { BackupError } from "../../../domain/error.ts";
import { type ManifestRoot, manifestFileName, ownFolderName } from "../../../format/restic/manifest.ts";
import type { ObjectId } from "../../../format/restic/model.ts";
import { encodeTreeOfNodes } from "../../../format/restic/tree.ts";
import type { BlobStore } from "../store/blob-store.ts";
import type { DatabasePlaces } from "./database-places.ts";
import { TopTree } from "./top-tree.ts";
import { type NodeSlot, TreeBuilder } from "./tree-builder.ts";
import type { NodeFacts, NodeMaker } from "./tree-nodes.ts";
import { placeRoots, treeComponents } from "./tree-places.ts";

const folderMode = 0o755;
const privateFolderMode = 0o700;
const privateFileMode = 0o600;

export interface BackupTreeOptions {
  readonly store: BlobStore;
  readonly nodes: NodeMaker;
  readonly databases: DatabasePlaces;
  readonly roots: readonly EntryRoot[];
  readonly startedAtMs: number;
  /** The folders above the roots are those of this machine. */
  readonly isOfThisMachine: boolean;
}

export class BackupTree {
  /** Where each root is. */
  readonly roots: readonly ManifestRoot[];
  readonly #options: BackupTreeOptions;
  readonly #top = new TopTree();
  readonly #builders = new Map<string, TreeBuilder>();
  /** Roots that got entries, and those whose trees are complete. */
  readonly #begun = new Set<string>();
  readonly #complete = new Set<string>();
  readonly #trees = new Map<string, ObjectId>();

  constructor(options: BackupTreeOptions) {
    this.#options = options;
    this.roots = placeRoots(options.roots);
    for (const root of this.roots) this.#builders.set(root.name, this.#openRoot(root));
  }

  builderOf(root: string): TreeBuilder {
    const builder = this.#builders.get(root);
    if (builder === undefined) throw new TypeError(`the backup has no root ${root}`);
    this.#begun.add(root);
    return builder;
  }

  /** All entries have come: the trees complete themselves as the last files are stored. */
  end(): void {
    for (const builder of this.#builders.values()) builder.end();
    this.#options.databases.placeRest(this.#top);
  }

  /** The roots with the trees that are complete. */
  storedRoots(): readonly ManifestRoot[] {
    return this.roots.map((root) => {
      const tree = this.#trees.get(root.name);
      return tree === undefined ? root : { ...root, tree };
    });
  }

  /** Stores the manifest and what is above the roots; returns the id of the whole. Call when all files are stored. */
  save(manifestText: string): ObjectId {
    const { store, nodes } = this.#options;
    // I1: a root that waits for a file nobody stores would be left out without a word.
    for (const root of this.#begun) if (!this.#complete.has(root)) throw incomplete(root);
    const plain = Buffer.from(manifestText);
    const { id } = store.saveBlobNow("data", plain);
    const slot = this.#top.take([ownFolderName, manifestFileName]);
    if (slot === undefined) throw new BackupError("bug", "Cannot store the manifest: its place is taken");
    const facts = { ...this.#ownFacts(privateFileMode), links: 1 };
    const content = { content: [id], sizeBytes: plain.length };
    slot.fill(nodes.file(byteStringFromText(manifestFileName), facts, content));
    return this.#top.save({
      saveTree: (texts) => this.#saveTree(texts),
      folderNode: (path, name) => nodes.directory(name, this.#factsOfFolder(path)),
    });
  }

  #openRoot(root: ManifestRoot): TreeBuilder {
    const { nodes, databases } = this.#options;
    const components = root.treePath.slice(1).split("/");
    const slot = this.#top.take(components);
    if (slot === undefined)
      throw new BackupError("bug", `Cannot store root ${root.name}: its place is taken`);
    const name = byteStringFromText(components.at(-1) ?? "");
    const top: NodeSlot = {
      fill: (node) => {
        this.#complete.add(root.name);
        if (node?.subtree !== undefined) this.#trees.set(root.name, node.subtree);
        slot.fill(node);
      },
    };
    return new TreeBuilder(name, top, {
      saveTree: (texts) => this.#saveTree(texts),
      insertionsAt: (path) => databases.insertionsAt(root, path),
      missingDirectory: (missing: ByteString) => nodes.directory(missing, this.#ownFacts(folderMode)),
    });
  }

  #saveTree(texts: readonly string[]): ObjectId {
    return this.#options.store.saveBlobNow("tree", encodeTreeOfNodes(texts)).id;
  }

  #factsOfFolder(path: string): NodeFacts {
    if (treeComponents(path) === undefined) return this.#ownFacts(privateFolderMode);
    const stats = this.#options.isOfThisMachine ? statOf(path) : undefined;
    if (stats === undefined) return this.#ownFacts(folderMode);
    return {
      mode: Number(stats.mode & 0o7777n),
      uid: Number(stats.uid),
      gid: Number(stats.gid),
      mtimeNs: stats.mtimeNs,
      ctimeNs: stats.ctimeNs,
      inode: stats.ino,
      deviceId: stats.dev,
    };
  }

  #ownFacts(mode: number): NodeFacts {
    const timeNs = BigInt(this.#options.startedAtMs) * 1_000_000n;
    return { mode, uid: 0, gid: 0, mtimeNs: timeNs, ctimeNs: timeNs, inode: 0n };
  }
}

function incomplete(root: string): BackupError {
  return new BackupError("bug", `Cannot store root ${root}: not all that is in it was stored`);
}

/** Undefined where it is not there, or is no folder. Links are followed, as restic does. */
function statOf(path: string): BigIntStats | undefined {
  try {
    const stats = statSync(path, { bigint: true });
    return stats.isDirectory() ? stats : undefined;
  } catch {
    // What is above a root only gives its looks to the tree.
    return undefined;
  }
}
