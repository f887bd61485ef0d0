/**
 * Names what is lost: every path of every backup that cannot be restored. Reads only
 * those trees again that lead there.
 *
 * @module
 */

import { asByteString, type ByteString, byteStringToDisplay } from "../../../../domain/byte-string.ts";
import type { ObjectId } from "../../../../format/restic/model.ts";
import { documentName } from "../../objects.ts";
import { damagesMax, type DamageList } from "../damage-list.ts";
import { type BlobSource, loadTrees } from "../walk-trees.ts";
import type { BlobJudge } from "./blob-judge.ts";
import type { FoundLosses } from "./find-losses.ts";
import { treeFaults } from "./tree-faults.ts";

/** Trees looked into for names: a folder that many backups share is looked into once a backup. */
const treesMax = 100_000;

/** Trees in memory at once. */
const treesAtOnce = 200;

/** One path that is lost, and the snapshots it is lost in. */
export interface Loss {
  /** Absolute, for display. */
  readonly path: string;
  readonly message: string;
  readonly snapshots: ObjectId[];
}

type PathTree = readonly [path: ByteString, tree: ObjectId];

export interface LossFacts extends FoundLosses {
  readonly source: BlobSource;
  readonly judge: BlobJudge;
}

/** As {@link findLostPaths} and {@link addLosses}. */
export async function nameLosses(facts: LossFacts, damages: DamageList, signal: AbortSignal): Promise<void> {
  addLosses(await findLostPaths(facts, signal), damages);
}

/** Adds one damage a path, named after the first of the snapshots it is lost in. */
export function addLosses(losses: readonly Loss[], damages: DamageList): void {
  for (const { path, message, snapshots: ids } of losses) {
    const others = ids.length - 1;
    const also = others === 0 ? "" : ` (also in ${others} other ${others === 1 ? "backup" : "backups"})`;
    damages.add(documentName("snapshots", ids[0] ?? ""), `${message}${also}`, path);
  }
}

/** The first of all lost paths, each once however many backups lost it. */
export async function findLostPaths(facts: LossFacts, signal: AbortSignal): Promise<readonly Loss[]> {
  const naming = new Naming(facts);
  for (const { id, document } of facts.snapshots) await naming.look(id, document.tree, signal);
  return naming.losses();
}

class Naming {
  readonly #facts: LossFacts;
  readonly #losses = new Map<string, Loss>();
  #trees = 0;

  constructor(facts: LossFacts) {
    this.#facts = facts;
  }

  losses(): readonly Loss[] {
    return [...this.#losses.values()];
  }

  /** Level by level, so that a deep tree needs no deep stack, and siblings are read together. */
  async look(snapshot: ObjectId, root: ObjectId, signal: AbortSignal): Promise<void> {
    let level: PathTree[] = this.#facts.isAffected(root) ? [[asByteString(""), root]] : [];
    while (level.length > 0 && this.#trees < treesMax) {
      const below: PathTree[] = [];
      for (let i = 0; i < level.length && below.length < treesMax; i += treesAtOnce) {
        signal.throwIfAborted();
        const found = await this.#lookAt(snapshot, level.slice(i, i + treesAtOnce), signal);
        // One by one: more than some 100,000 arguments no call takes.
        for (const tree of found) below.push(tree);
      }
      this.#trees += level.length;
      level = below;
    }
  }

  /** Returns the affected trees one level below. */
  async #lookAt(snapshot: ObjectId, level: readonly PathTree[], signal: AbortSignal): Promise<PathTree[]> {
    const { source, judge, isAffected } = this.#facts;
    const below: PathTree[] = [];
    const ids = level.map(([, id]) => id);
    const trees = await loadTrees(source, ids, signal);
    for (const [path, id] of level) {
      const nodes = trees.get(id)?.() ?? "it was not read";
      if (typeof nodes === "string") {
        this.#note(snapshot, path, nodes);
        continue;
      }
      for (const fault of treeFaults(nodes, judge)) {
        this.#note(snapshot, joined(path, fault.name), fault.message);
      }
      for (const { name, subtree } of nodes) {
        if (subtree !== undefined && isAffected(subtree)) below.push([joined(path, name), subtree]);
      }
    }
    return below;
  }

  #note(snapshot: ObjectId, path: ByteString, message: string): void {
    const shown = path === "" ? "/" : byteStringToDisplay(path);
    const key = `${path}\0${message}`;
    const known = this.#losses.get(key);
    if (known !== undefined) known.snapshots.push(snapshot);
    else if (this.#losses.size <= damagesMax)
      this.#losses.set(key, { path: shown, message, snapshots: [snapshot] });
  }
}

function joined(path: ByteString, name: ByteString): ByteString {
  return asByteString(`${path}/${name}`);
}
