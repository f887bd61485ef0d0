/**
 * Rewrites backups without what is lost, so that the rest can be restored, checked and
 * pruned again. New packs and their index come first, then each backup's new snapshot,
 * then its old one goes (I3); it keeps its id. Run again after a kill, it goes on.
 *
 * @module
 */

import { isBackupError } from "../../../../domain/error.ts";
import { type Manifest, encodeManifest, manifestField } from "../../../../format/restic/manifest.ts";
import type { ObjectId, SnapshotDocument } from "../../../../format/restic/model.ts";
import { encodeSnapshot } from "../../../../format/restic/snapshot.ts";
import type { RepairBackupsOptions, RepairBackupsPlan, RepairBackupsReport } from "../../../maintenance.ts";
import type { BlobIndex } from "../../blob-index.ts";
import { describeFound } from "../../find-snapshot.ts";
import { type LoadedIndex, loadIndex, requireWholeIndex } from "../../load-index.ts";
import { listObjects, saveObject } from "../../objects.ts";
import { BlobFetcher } from "../../read/blob-fetch.ts";
import { BlobThreads } from "../../read/blob-threads.ts";
import { RepositoryReading } from "../../read/open-snapshot.ts";
import { componentsOf, resolvePath } from "../../read/resolve-path.ts";
import { BlobJudge } from "../check/blob-judge.ts";
import { type FoundLosses, findLosses } from "../check/find-losses.ts";
import { addLosses, findLostPaths, type Loss } from "../check/name-losses.ts";
import { readPacks } from "../check/read-packs.ts";
import { DamageList } from "../damage-list.ts";
import {
  backupIds,
  type LoadedSnapshots,
  loadSnapshots,
  replacesField,
  type StoredSnapshot,
} from "../load-snapshots.ts";
import { packBytes } from "../pack-bytes.ts";
import { PackWriter } from "../pack-writer.ts";
import { ProgressMeter } from "../progress-meter.ts";
import { removeInSteps, rewriteIndex } from "../prune/rewrite-index.ts";
import type { BlobSource } from "../walk-trees.ts";
import { markManifest } from "./mark-manifest.ts";
import { previewIndex, type RepairPlace, repairIndex } from "./repair-index.ts";
import { TreeRewriter } from "./rewrite-trees.ts";
import { salvageBlobs } from "./salvage-blobs.ts";

/** Call under the exclusive lock. */
export async function repairBackups(
  place: RepairPlace,
  options: RepairBackupsOptions,
  signal: AbortSignal,
): Promise<RepairBackupsReport> {
  const both = AbortSignal.any([signal, place.lock.lost]);
  const loaded = await loadSnapshots(place.repo, both);
  // What is in packs is not lost: the index is made right first.
  if (!options.dryRun) await repairIndex(place, options, both);
  const index = options.dryRun
    ? await previewIndex(place, options, both)
    : requireWholeIndex(await loadIndex(place.repo, both));
  await using threads = new BlobThreads(place.repo.key);
  return await new BackupRepair(place, options, loaded, { index, threads }).run(both);
}

interface Contents {
  readonly index: BlobIndex;
  readonly threads: BlobThreads;
}

/** A snapshot and the one that takes its place. */
interface Replacement {
  readonly old: ObjectId;
  /** Undefined where an earlier run stored it already. */
  readonly document: SnapshotDocument | undefined;
}

interface Rewritten {
  readonly replacements: readonly Replacement[];
  /** Those of which nothing is left. */
  readonly hopeless: readonly ObjectId[];
}

interface FoundDamage {
  readonly losses: FoundLosses;
  readonly paths: readonly Loss[];
}

class BackupRepair {
  readonly #place: RepairPlace;
  readonly #options: RepairBackupsOptions;
  readonly #loaded: LoadedSnapshots;
  readonly #source: BlobSource;
  readonly #contents: Contents;
  readonly #judge: BlobJudge;
  readonly #ids: ReadonlyMap<ObjectId, string>;

  constructor(
    place: RepairPlace,
    options: RepairBackupsOptions,
    loaded: LoadedSnapshots,
    contents: Contents,
  ) {
    this.#place = place;
    this.#options = options;
    this.#loaded = loaded;
    this.#contents = contents;
    const { index, threads } = contents;
    this.#source = { index, fetcher: new BlobFetcher(place.repo, index, threads) };
    this.#judge = new BlobJudge(index);
    this.#ids = backupIds(loaded.snapshots);
  }

  async run(signal: AbortSignal): Promise<RepairBackupsReport> {
    const { repo } = this.#place;
    const { dryRun, observer, confirm } = this.#options;
    await this.#readPacks(signal);
    const meter = new ProgressMeter(observer, repo.clock, "check");
    const losses = await findLosses(this.#source, this.#judge, this.#loaded.snapshots, meter, signal);
    const paths = await findLostPaths({ source: this.#source, judge: this.#judge, ...losses }, signal);
    const lost = new DamageList();
    for (const { id, error } of this.#loaded.damaged) lost.add(`snapshots/${id}`, error.message);
    addLosses(paths, lost);
    const found = { losses, paths };
    const plan = await this.#planOf(await this.#rewriteAll(found, undefined, signal), lost, signal);
    const isHarmless = plan.rewritten.length + plan.forgotten.length + plan.packsRemoved === 0;
    if (dryRun || !(isHarmless || (await confirm(plan)))) return { ...plan, done: false, dryRun };
    signal.throwIfAborted();
    const writer = new PackWriter(repo, signal);
    try {
      await this.#carryOut(writer, await this.#rewriteAll(found, writer, signal), signal);
      return { ...plan, done: !isHarmless, dryRun };
    } catch (error) {
      await writer.abort();
      throw error;
    }
  }

  async #planOf(
    { replacements, hopeless }: Rewritten,
    lost: DamageList,
    signal: AbortSignal,
  ): Promise<RepairBackupsPlan> {
    return {
      rewritten: replacements.map(({ old }) => this.#idOf(old)),
      hopeless: hopeless.map((id) => this.#idOf(id)),
      forgotten: this.#forgottenOf(hopeless).map((id) => this.#idOf(id)),
      lost: lost.all(),
      packsRemoved: (await this.#packsToRemove(signal)).length,
    };
  }

  #forgottenOf(hopeless: readonly ObjectId[]): readonly ObjectId[] {
    const allowed = new Set(this.#options.forgotten ?? []);
    const strangers = new Set(this.#loaded.damaged.filter((one) => one.isStranger).map(({ id }) => id));
    return hopeless.filter((id) => allowed.has(this.#idOf(id)) && !strangers.has(id));
  }

  async #packsToRemove(signal: AbortSignal): Promise<readonly ObjectId[]> {
    const there = new Set((await listObjects(this.#place.repo, "data", signal)).map(({ id }) => id));
    // What the disk cannot read today is nobody's to throw away: another disk may read its copy.
    return [...this.#judge.damagedPacks()].filter((id) => there.has(id) && !this.#judge.isUnread(id));
  }

  async #readPacks(signal: AbortSignal): Promise<void> {
    const { repo } = this.#place;
    const { index, threads } = this.#contents;
    const { observer } = this.#options;
    const damages = new DamageList();
    const chosen = await listObjects(repo, "data", signal);
    const sizes = new Map(chosen.map(({ id, sizeBytes }) => [id, sizeBytes]));
    // Only in a dry run, in which the index was not repaired.
    for (const { id, blobs } of index.packs()) {
      const sizeBytes = sizes.get(id) ?? 0;
      if (sizeBytes !== packBytes(blobs)) this.#judge.packHasBytes(id, sizeBytes);
    }
    if (this.#options.readData === false) return;
    await readPacks({ repo, threads, observer, judge: this.#judge, damages }, index, chosen, signal);
  }

  /** Without a writer nothing is stored. */
  async #rewriteAll(
    { losses, paths }: FoundDamage,
    writer: PackWriter | undefined,
    signal: AbortSignal,
  ): Promise<Rewritten> {
    const { isAffected, snapshots } = losses;
    const hopeless: ObjectId[] = this.#loaded.damaged.map(({ id }) => id);
    const rewriter = new TreeRewriter({ source: this.#source, judge: this.#judge, isAffected, writer });
    const replacements: Replacement[] = [];
    for (const snapshot of snapshots) {
      const { id, document } = snapshot;
      if (this.#isReplaced(snapshot, isAffected)) {
        replacements.push({ old: id, document: undefined });
        continue;
      }
      const ours = paths.filter((path) => path.snapshots.includes(id));
      const manifest = await this.#markedManifest(snapshot, ours, signal);
      const text = manifest === undefined ? undefined : encodeManifest(manifest);
      const bytes = text === undefined ? undefined : Buffer.from(text);
      const tree = await rewriter.rewriteRoot(document.tree, bytes, signal);
      if (tree === undefined) hopeless.push(id);
      else replacements.push({ old: id, document: rewritten(snapshot, tree, text) });
    }
    return { replacements, hopeless };
  }

  /**
   * Whether a run that was cut short has stored the new snapshot already. Nothing but our own mark says so:
   * what restic rewrote of the same backup has its time and id too, and may lack what is whole here.
   */
  #isReplaced({ id }: StoredSnapshot, isAffected: (tree: ObjectId) => boolean): boolean {
    return this.#loaded.snapshots.some(
      ({ document }) =>
        document.others?.get(replacesField) === JSON.stringify(id) && !isAffected(document.tree),
    );
  }

  async #markedManifest(
    snapshot: StoredSnapshot,
    lost: readonly Loss[],
    signal: AbortSignal,
  ): Promise<Manifest | undefined> {
    const { id, document } = snapshot;
    const found = { backupId: this.#idOf(id), snapshotId: id, document };
    await using reading = new RepositoryReading(this.#place.repo, this.#contents.index);
    const { manifest } = await describeFound(async () => reading, found, signal);
    if (manifest === undefined) return undefined;
    return markManifest(manifest, lost, await this.#findLostDatabase(reading, document, manifest, signal));
  }

  /** Looked for by itself: of very much that is lost, the first paths only have names. */
  async #findLostDatabase(
    { trees }: RepositoryReading,
    { tree }: SnapshotDocument,
    { databases }: Manifest,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    for (const { name, treePath } of databases) {
      try {
        const node = await resolvePath(trees, tree, componentsOf(treePath), "", signal);
        const isWhole = node?.content?.every((blob) => this.#judge.fault(blob, "data") === undefined);
        if (isWhole !== true) return name;
      } catch (error) {
        if (!isBackupError(error, "damaged")) throw error;
        return name;
      }
    }
    return undefined;
  }

  /** I3: packs, index, new snapshots; then the old ones go, then damaged packs that nothing names. */
  async #carryOut(
    writer: PackWriter,
    { replacements, hopeless }: Rewritten,
    signal: AbortSignal,
  ): Promise<void> {
    const { repo, lock } = this.#place;
    const damaged = this.#judge.damagedPacks();
    await this.#salvage(writer, damaged, signal);
    const written = await writer.finish();
    if (written.length > 0 || damaged.size > 0) {
      const loaded: LoadedIndex = await loadIndex(repo, signal);
      // What only a file lists that cannot be read would be listed no more: it was whole a moment ago.
      requireWholeIndex(loaded);
      await rewriteIndex(this.#place, loaded, { forget: damaged, add: written }, signal);
    }
    for (const { old, document } of replacements) {
      await lock.assertHeld(signal);
      if (document !== undefined) await saveObject(repo, "snapshots", encodeSnapshot(document), signal);
      await removeInSteps(this.#place, "snapshots", [old], signal);
    }
    await removeInSteps(this.#place, "snapshots", this.#forgottenOf(hopeless), signal);
    await removeInSteps(this.#place, "data", await this.#packsToRemove(signal), signal);
  }

  /** Copies what is whole of damaged packs, so that these can go: as long as they are listed, backups take lost blobs for stored. */
  async #salvage(writer: PackWriter, damaged: ReadonlySet<ObjectId>, signal: AbortSignal): Promise<void> {
    const { index } = this.#contents;
    if (damaged.size === 0) return;
    for (const { id: pack, blobs } of index.packs()) {
      if (!damaged.has(pack)) continue;
      const wanted = blobs.filter(({ id, type }) =>
        index.findAll(id, type).every((one) => damaged.has(one.pack)),
      );
      await salvageBlobs(this.#place.repo, { id: pack, blobs: wanted }, writer, signal);
    }
  }

  #idOf(snapshot: ObjectId): string {
    return this.#ids.get(snapshot) ?? snapshot;
  }
}

function rewritten(
  { id, document }: StoredSnapshot,
  tree: ObjectId,
  manifest: string | undefined,
): SnapshotDocument {
  const others = new Map(document.others);
  if (manifest !== undefined) others.set(manifestField, manifest);
  others.set(replacesField, JSON.stringify(id));
  return { ...document, tree, original: document.original ?? id, others };
}
