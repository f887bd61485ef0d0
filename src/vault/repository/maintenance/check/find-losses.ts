/**
 * Visits all trees of all backups once and says which of them contain something lost.
 *
 * @module
 */

import type { ObjectId, TreeNode } from "../../../../format/restic/model.ts";
import type { StoredSnapshot } from "../load-snapshots.ts";
import type { ProgressMeter } from "../progress-meter.ts";
import { type BlobSource, walkTrees } from "../walk-trees.ts";
import { AffectedTrees } from "./affected-trees.ts";
import type { BlobJudge } from "./blob-judge.ts";
import { treeFaults } from "./tree-faults.ts";

export interface FoundLosses {
  /** Says of a tree whether something in it, or below it, is lost. */
  readonly isAffected: (tree: ObjectId) => boolean;
  /** Snapshots that cannot be restored in full, in the order they were given. */
  readonly snapshots: readonly StoredSnapshot[];
}

export async function findLosses(
  source: BlobSource,
  judge: BlobJudge,
  snapshots: readonly StoredSnapshot[],
  meter: ProgressMeter,
  signal: AbortSignal,
): Promise<FoundLosses> {
  const trees = new AffectedTrees();
  const visitor = {
    tree: (id: ObjectId, nodes: readonly TreeNode[]): void => {
      trees.addTree(id, subtreesOf(nodes));
      if (treeFaults(nodes, judge).length > 0) trees.addLoss(id);
      meter.add(1, 0);
    },
    lost: (id: ObjectId): void => trees.addLoss(id),
  };
  const roots = snapshots.map(({ document }) => document.tree);
  await walkTrees(source, roots, visitor, signal);
  meter.finish();
  const isAffected = trees.resolve();
  return { isAffected, snapshots: snapshots.filter(({ document }) => isAffected(document.tree)) };
}

function subtreesOf(nodes: readonly TreeNode[]): readonly ObjectId[] {
  return nodes.flatMap(({ subtree }) => subtree ?? []);
}
