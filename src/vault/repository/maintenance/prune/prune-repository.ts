/**
 * Frees what no backup needs. May be killed at any point: new packs come first, then
 * the index that lists them, then the old index goes, then the old packs (I3); until
 * the last step everything that is needed is there, at least once.
 *
 * @module
 */

import { BackupError } from "../../../../domain/error.ts";
import type { IndexedPack, ObjectId, TreeNode } from "../../../../format/restic/model.ts";
import type { PruneOptions, PruneReport } from "../../../maintenance.ts";
import type { RecordName } from "../../../recorded-facts.ts";
import { isInputFailure } from "../../../unreadable-file.ts";
import { type LoadedIndex, loadIndex, requireWholeIndex } from "../../load-index.ts";
import type { RepositoryLock } from "../../locks/repository-lock.ts";
import { listObjects } from "../../objects.ts";
import { orphanRecords } from "../../orphan-records.ts";
import { BlobFetcher } from "../../read/blob-fetch.ts";
import { BlobThreads } from "../../read/blob-threads.ts";
import { listRecordNames } from "../../records.ts";
import type { BlobPlace, Repository } from "../../repository.ts";
import { BlobSet } from "../blob-set.ts";
import { type LoadedSnapshots, loadSnapshots } from "../load-snapshots.ts";
import { PackWriter } from "../pack-writer.ts";
import { ProgressMeter } from "../progress-meter.ts";
import { walkTrees } from "../walk-trees.ts";
import { PackTable } from "./pack-table.ts";
import { type PackPlan, planPrune } from "./plan-prune.ts";
import { copyBlobs } from "./repack.ts";
import { listedTwice, removeInSteps, rewriteIndex } from "./rewrite-index.ts";

/** An exclusive lock on the repository. */
export interface PrunePlace {
  readonly repo: Repository;
  readonly lock: RepositoryLock;
}

/** @throws {BackupError} `damaged` if something needed is missing or cannot be read; nothing was removed then */
export async function pruneRepository(
  place: PrunePlace,
  options: PruneOptions,
  signal: AbortSignal,
): Promise<PruneReport> {
  const { repo, lock } = place;
  // A run that others may take for dead stops writing, too.
  const both = AbortSignal.any([signal, lock.lost]);
  await using threads = new BlobThreads(repo.key);
  const snapshots = await readSnapshots(repo, both);
  const roots = snapshots.snapshots.map(({ document }) => document.tree);
  const loaded = await loadIndex(repo, both);
  const index = requireWholeIndex(loaded);
  const source = { index, fetcher: new BlobFetcher(repo, index, threads) };
  const used = await collectUsed(repo, source, roots, options, both);
  const table = new PackTable(used);
  for (const pack of index.packs()) table.add(pack);
  const stored = new Map(
    (await listObjects(repo, "data", both)).map(({ id, sizeBytes }) => [id, sizeBytes] as const),
  );
  const plan = planPrune(table, stored, {
    version: repo.config.version,
    maxUnusedPercent: options.maxUnusedPercent,
    maxUnusedBytes: options.maxUnusedBytes,
  });
  // What is left of backups that restic removed.
  const orphans = orphanRecords(await listRecordNames(repo, both), snapshots);
  const summary = { backups: roots.length, ...plan.summary, recordsRemoved: orphans.length };
  const report = { plan: summary, done: false };
  const hasPacks = hasWork(plan, loaded);
  const isIdle = !hasPacks && orphans.length === 0;
  if (options.dryRun || isIdle || !(await options.confirm(summary))) return report;
  both.throwIfAborted();
  if (hasPacks) await new Execution(place, loaded, { plan, used, threads }, options).run(both);
  await removeRecords(place, orphans, both);
  return { ...report, done: true };
}

async function removeRecords(
  { repo, lock }: PrunePlace,
  records: readonly RecordName[],
  signal: AbortSignal,
): Promise<void> {
  if (records.length === 0) return;
  await lock.assertHeld(signal);
  await repo.storage.remove(
    records.map(({ name }) => name),
    signal,
  );
}

function hasWork(plan: PackPlan, loaded: LoadedIndex): boolean {
  const packs = plan.repack.length + plan.remove.length + plan.unindexed.length + plan.gone.length;
  return packs > 0 || listedTwice(loaded).size > 0;
}

/** All snapshots. One that cannot be read may need anything. */
async function readSnapshots(repo: Repository, signal: AbortSignal): Promise<LoadedSnapshots> {
  const loaded = await loadSnapshots(repo, signal);
  const { damaged, vanished } = loaded;
  const [first] = damaged;
  if (first !== undefined) {
    throw refusal(`${first.error.message}, and nobody knows what it needs`, first.error);
  }
  // Nobody else removes any now: a storage that does not find what it lists is not to be believed.
  const [gone] = vanished;
  if (gone !== undefined) throw vanishedSnapshot(gone);
  return loaded;
}

function vanishedSnapshot(id: ObjectId): BackupError {
  return new BackupError("storage-unavailable", `Cannot prune: snapshots/${id} was listed and is not there`, {
    retryable: true,
    hint: "Nothing was removed. Check the disk or the network behind the vault, then try again.",
  });
}

async function collectUsed(
  repo: Repository,
  source: Parameters<typeof walkTrees>[0],
  roots: readonly ObjectId[],
  { observer }: PruneOptions,
  signal: AbortSignal,
): Promise<BlobSet> {
  const used = new BlobSet();
  const meter = new ProgressMeter(observer, repo.clock, "index");
  const visitor = {
    tree: (id: ObjectId, nodes: readonly TreeNode[]): void => {
      used.add(id, "tree");
      for (const { content } of nodes) {
        if (content !== undefined) for (const blob of content) used.add(blob, "data");
      }
      meter.add(1, 0);
    },
    lost: (_: ObjectId, message: string): never => {
      throw refusal(`${message}, and what it needs is not known`, undefined);
    },
  };
  await walkTrees(source, roots, visitor, signal);
  meter.finish();
  return used;
}

interface Decided {
  readonly plan: PackPlan;
  readonly used: BlobSet;
  readonly threads: BlobThreads;
}

class Execution {
  readonly #place: PrunePlace;
  readonly #loaded: LoadedIndex;
  readonly #decided: Decided;
  readonly #meter: ProgressMeter;

  constructor(place: PrunePlace, loaded: LoadedIndex, decided: Decided, { observer }: PruneOptions) {
    this.#place = place;
    this.#loaded = loaded;
    this.#decided = decided;
    this.#meter = new ProgressMeter(observer, place.repo.clock, "prune", {
      items: decided.plan.blobsToCopy.reduce((sum, one) => sum + one, 0),
    });
  }

  async run(signal: AbortSignal): Promise<void> {
    const { repack, remove, unindexed, gone } = this.#decided.plan;
    const written = await this.#repack(signal);
    const going = [...repack, ...remove].map(({ id }) => id);
    const forget = new Set([...going, ...gone]);
    if (forget.size > 0 || listedTwice(this.#loaded).size > 0) {
      await rewriteIndex(this.#place, this.#loaded, { forget, add: written }, signal);
    }
    // I3: nothing names these any more.
    await removeInSteps(this.#place, "data", [...unindexed, ...going], signal);
    this.#meter.finish();
  }

  /** Returns the new packs, durable and not yet in an index. */
  async #repack(signal: AbortSignal): Promise<readonly IndexedPack[]> {
    const { repo } = this.#place;
    const { index } = this.#loaded;
    const { plan, threads } = this.#decided;
    if (plan.repack.length === 0) return [];
    const writer = new PackWriter(repo, signal);
    try {
      const place = { repo, index, threads, writer, meter: this.#meter };
      await copyBlobs(place, this.#blobsToCopy(), signal);
      return await writer.finish();
    } catch (error) {
      await writer.abort();
      throw error;
    }
  }

  /** Of each pack that is rewritten, the blobs no other pack gives; each blob once. */
  *#blobsToCopy(): Generator<readonly BlobPlace[]> {
    const { plan, used } = this.#decided;
    const wanted = plan.blobsToCopy;
    const repacked = new Set(plan.repack.map(({ id }) => id));
    for (const { id: pack, blobs } of this.#loaded.index.packs()) {
      if (!repacked.has(pack)) continue;
      yield blobs
        .filter(({ id, type }) => {
          const ordinal = used.ordinalOf(id, type);
          if (ordinal < 0 || wanted[ordinal] === 0) return false;
          wanted[ordinal] = 0;
          return true;
        })
        .map((blob) => ({ ...blob, pack }));
    }
    // Asked before anything is removed: a blob that would be lost stops the run.
    const left = wanted.indexOf(1);
    if (left >= 0) throw new BackupError("bug", `Cannot prune: blob ${used.at(left).id} would be lost`);
  }
}

function refusal(state: string, cause: unknown): BackupError {
  const disk = isInputFailure(cause)
    ? "Look at the disk and copy the repository to another one; then run"
    : "Run";
  return new BackupError("damaged", `Cannot prune: ${state}`, {
    cause,
    hint: `Nothing was removed. ${disk} verify, then repair index and repair backups.`,
  });
}
