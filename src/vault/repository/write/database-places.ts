/**
 * The declared databases of a backup: stored as files at their own absolute paths in
 * its tree, inside a root where they lie inside one, and where that cannot be, in a
 * folder of ours.
 *
 * @module
 */

import { type ByteString, byteStringFromText } from "../../../domain/byte-string.ts";
import { BackupError } from "../../../domain/error.ts";
import type { ManifestDatabase, ManifestRoot } from "../../../format/restic/manifest.ts";
import type { ObjectId, TreeNode } from "../../../format/restic/model.ts";
import type { DatabaseImage } from "../../vault.ts";
import type { TopTree } from "./top-tree.ts";
import type { InsertedNode, NodeSlot } from "./tree-builder.ts";
import type { NodeMaker } from "./tree-nodes.ts";
import { ownPath, treeComponents } from "./tree-places.ts";

interface PlacedDatabase {
  readonly image: DatabaseImage;
  /** Where it is wanted; undefined where its path can be none in a tree. */
  readonly components: readonly string[] | undefined;
  treePath: string | undefined;
  /** Where its node goes, once both are known. */
  give: ((node: TreeNode) => void) | undefined;
  content: readonly ObjectId[] | undefined;
}

export class DatabasePlaces {
  readonly #nodes: NodeMaker;
  readonly #startedAtNs: bigint;
  readonly #all: PlacedDatabase[] = [];

  constructor(nodes: NodeMaker, startedAtMs: number) {
    this.#nodes = nodes;
    this.#startedAtNs = BigInt(startedAtMs) * 1_000_000n;
  }

  get count(): number {
    return this.#all.length;
  }

  get sizeBytes(): number {
    return this.#all.reduce((sum, { image }) => sum + image.sizeBytes, 0);
  }

  /** Announces a database; call what it returns with its blobs. */
  add(image: DatabaseImage): (content: readonly ObjectId[]) => void {
    const components = treeComponents(image.path);
    const database: PlacedDatabase = {
      image,
      components,
      treePath: undefined,
      give: undefined,
      content: undefined,
    };
    this.#all.push(database);
    return (content) => {
      database.content = content;
      this.#giveIfKnown(database);
    };
  }

  /** Those that belong into the directory at `path` of a root. */
  insertionsAt(root: ManifestRoot, path: ByteString): readonly InsertedNode[] {
    if (this.#all.length === 0) return [];
    const directory =
      path === "" ? byteStringFromText(root.treePath) : `${byteStringFromText(root.treePath)}/${path}`;
    return this.#all
      .filter(({ components, treePath }) => {
        return treePath === undefined && components !== undefined && directory === directoryOf(components);
      })
      .map((database) => ({
        name: byteStringFromText(database.components?.at(-1) ?? ""),
        place: (slot: NodeSlot) => this.#placeAt(database, `/${database.components?.join("/")}`, slot.fill),
      }));
  }

  /** Finds a place for those that lie in no root. Call when all roots are complete but for databases. */
  placeRest(top: TopTree): void {
    const taken = new Set<string>();
    for (const database of this.#all) {
      if (database.treePath !== undefined) continue;
      const own = database.components;
      const slot = own && top.take(own);
      if (own !== undefined && slot !== undefined) this.#placeAt(database, `/${own.join("/")}`, slot.fill);
      else this.#placeInOurs(database, top, taken);
    }
  }

  /** As the manifest lists them. Call when all have their places. */
  list(): readonly ManifestDatabase[] {
    return this.#all.map(({ image: { imagePath: _, ...database }, treePath }) => ({
      ...database,
      treePath: treePath ?? "",
    }));
  }

  #placeInOurs(database: PlacedDatabase, top: TopTree, taken: Set<string>): void {
    const path = ownPath("databases", database.image.name, taken);
    const slot = top.take(path.slice(1).split("/"));
    if (slot === undefined) throw new BackupError("bug", `Cannot store ${path}: its place is taken`);
    this.#placeAt(database, path, slot.fill);
  }

  #placeAt(database: PlacedDatabase, treePath: string, give: (node: TreeNode) => void): void {
    database.treePath = treePath;
    database.give = give;
    this.#giveIfKnown(database);
  }

  #giveIfKnown({ image, content, treePath, give }: PlacedDatabase): void {
    if (content === undefined || treePath === undefined || give === undefined) return;
    const name = byteStringFromText(treePath.slice(treePath.lastIndexOf("/") + 1));
    const { mode, uid, gid, sizeBytes } = image;
    // Without an inode nothing is ever settled against it.
    const facts = { mode, uid, gid, mtimeNs: this.#startedAtNs, ctimeNs: this.#startedAtNs, inode: 0n };
    give(this.#nodes.file(name, { ...facts, links: 1 }, { content, sizeBytes }));
  }
}

function directoryOf(components: readonly string[]): string {
  return byteStringFromText(`/${components.slice(0, -1).join("/")}`);
}
