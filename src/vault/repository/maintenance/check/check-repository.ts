/**
 * Checks a whole repository: every document, every pack against the index, chosen
 * packs byte by byte, every tree; then says which paths of which backups are
 * affected. What is not checked: locks.
 *
 * @module
 */

import { BackupError, isBackupError } from "../../../../domain/error.ts";
import { silentObserver } from "../../../../domain/progress.ts";
import { parseConfig } from "../../../../format/restic/config.ts";
import { openBox } from "../../../../format/restic/crypto-box.ts";
import { readAll } from "../../../../storage/read-all.ts";
import type { CheckOptions, CheckReport } from "../../../maintenance.ts";
import { isInputFailure } from "../../../unreadable-file.ts";
import type { BlobIndex } from "../../blob-index.ts";
import { loadKeys } from "../../key-files.ts";
import { type LoadedIndex, loadIndex } from "../../load-index.ts";
import { configName, documentName } from "../../objects.ts";
import { BlobFetcher } from "../../read/blob-fetch.ts";
import { BlobThreads } from "../../read/blob-threads.ts";
import { stateOf } from "../../read/decode-blobs.ts";
import { findDamagedRecords } from "../../records.ts";
import type { Repository } from "../../repository.ts";
import { DamageList } from "../damage-list.ts";
import { backupIds, type LoadedSnapshots, loadSnapshots, type StoredSnapshot } from "../load-snapshots.ts";
import { ProgressMeter } from "../progress-meter.ts";
import type { BlobSource } from "../walk-trees.ts";
import { BlobJudge } from "./blob-judge.ts";
import { choosePacks, type SizedPack } from "./choose-packs.ts";
import { comparePacks } from "./compare-packs.ts";
import { type FoundLosses, findLosses } from "./find-losses.ts";
import { listFiles } from "./list-files.ts";
import { nameLosses } from "./name-losses.ts";
import { readPacks } from "./read-packs.ts";
import { sideBySide } from "./side-by-side.ts";

const configBytesMax = 64 * 1024;

/**
 * Call while nobody removes anything.
 *
 * @param random from 0 to below 1, for a part of the packs chosen by chance
 */
export async function checkRepository(
  repo: Repository,
  options: CheckOptions,
  random: () => number,
  signal: AbortSignal,
): Promise<CheckReport> {
  return await new Check(repo, options).run(random, signal);
}

interface CheckPlace {
  readonly source: BlobSource;
  readonly threads: BlobThreads;
  readonly judge: BlobJudge;
}

class Check {
  readonly #repo: Repository;
  readonly #options: CheckOptions;
  readonly #damages = new DamageList();
  readonly #notes: string[] = [];
  readonly #affected = new Set<string>();

  constructor(repo: Repository, options: CheckOptions) {
    this.#repo = repo;
    this.#options = options;
  }

  async run(random: () => number, signal: AbortSignal): Promise<CheckReport> {
    await this.#checkConfig(signal);
    await this.#checkKeys(signal);
    await this.#checkRecords(signal);
    const loaded = await this.#checkSnapshots(signal);
    const index = await this.#checkIndex(signal);
    const judge = new BlobJudge(index.index);
    const files = await listFiles(this.#repo, signal);
    for (const name of files.unknown) this.#notes.push(`${name} is no file of a repository`);
    const readable = comparePacks(index, files.packs, { judge, damages: this.#damages, notes: this.#notes });
    const chosen = choosePacks(readable, this.#options.readData, random);
    await using threads = new BlobThreads(this.#repo.key);
    const source = { index: index.index, fetcher: new BlobFetcher(this.#repo, index.index, threads) };
    const place = { source, threads, judge };
    const { losses, bytesRead } = await this.#readAll(place, index.index, chosen, loaded.snapshots, signal);
    const ids = backupIds(loaded.snapshots);
    for (const { id } of losses.snapshots) this.#affected.add(ids.get(id) ?? id);
    await nameLosses({ ...place, ...losses }, this.#damages, signal);
    return {
      ok: this.#damages.isEmpty,
      damages: this.#damages.all(),
      affected: [...this.#affected],
      checked: [...backupIds(loaded.snapshots).values(), ...loaded.damaged.map(({ id }) => id)],
      notes: this.#notes,
      packsRead: chosen.length,
      packsTotal: files.packs.size,
      bytesRead,
    };
  }

  async #checkConfig(signal: AbortSignal): Promise<void> {
    try {
      const box = await readAll(this.#repo.storage, configName, configBytesMax, signal);
      const { id } = parseConfig(openBox(this.#repo.key, box));
      if (id !== this.#repo.config.id)
        throw new BackupError("damaged", "config: it is of another repository");
    } catch (error) {
      // Where even that cannot be read, nothing else is looked at.
      if (isInputFailure(error)) throw error;
      this.#note(configName, error);
    }
  }

  async #checkKeys(signal: AbortSignal): Promise<void> {
    const { keys, unreadable } = await loadKeys(this.#repo, signal);
    if (keys.length === 0) this.#damages.add("keys", "there is no key that any password opens");
    for (const { id, error } of unreadable) this.#note(documentName("keys", id), error);
  }

  /** Their text only: a record that is gone is not missed, and names that are not ours are passed over. */
  async #checkRecords(signal: AbortSignal): Promise<void> {
    for (const { record, error } of await findDamagedRecords(this.#repo, signal))
      this.#note(record.name, error);
  }

  async #checkSnapshots(signal: AbortSignal): Promise<LoadedSnapshots> {
    const loaded = await this.#loadSnapshots(signal);
    for (const { id, error } of loaded.damaged) {
      this.#affected.add(id);
      this.#note(documentName("snapshots", id), error);
    }
    return loaded;
  }

  async #loadSnapshots(signal: AbortSignal): Promise<LoadedSnapshots> {
    try {
      return await loadSnapshots(this.#repo, signal);
    } catch (error) {
      if (!isBackupError(error, "damaged")) throw error;
      this.#note("snapshots", error);
      return { snapshots: [], damaged: [], vanished: [] };
    }
  }

  async #checkIndex(signal: AbortSignal): Promise<LoadedIndex> {
    const loaded = await loadIndex(this.#repo, signal);
    for (const { id, error } of loaded.damaged) this.#note(documentName("index", id), error);
    return loaded;
  }

  /** Packs and trees at the same time: while threads decode blobs, this one reads trees. */
  async #readAll(
    { source, threads, judge }: CheckPlace,
    index: BlobIndex,
    chosen: readonly SizedPack[],
    snapshots: readonly StoredSnapshot[],
    signal: AbortSignal,
  ): Promise<{ readonly losses: FoundLosses; readonly bytesRead: number }> {
    const { observer } = this.#options;
    const repo = this.#repo;
    // One line of progress at a time: packs take the longer.
    const treeObserver = chosen.length === 0 ? observer : silentObserver;
    const findAll = (either: AbortSignal): Promise<FoundLosses> =>
      findLosses(source, judge, snapshots, new ProgressMeter(treeObserver, repo.clock, "check"), either);
    const place = { repo, threads, observer, judge, damages: this.#damages };
    const [read, found] = await sideBySide(
      (either) => readPacks(place, index, chosen, either),
      findAll,
      signal,
    );
    // Blobs found damaged meanwhile may be needed by trees that were looked at before.
    const losses = read.findings > 0 ? await findAll(signal) : found;
    return { losses, bytesRead: read.bytes };
  }

  /** Takes damage as a finding; anything else ends the check. */
  #note(object: string, error: unknown): void {
    if (isInputFailure(error)) this.#damages.add(object, `its bytes cannot be read: ${stateOf(error)}`);
    else if (!isBackupError(error, "damaged", "not-found", "unsupported", "unsafe")) throw error;
    else this.#damages.add(object, stateOf(error));
  }
}
