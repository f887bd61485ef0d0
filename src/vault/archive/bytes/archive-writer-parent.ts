/**
 * Finds out which entries are as they were in the parent backup, by walking its
 * contents file in step with the source: both are in the same order, so nothing is held in memory.
 *
 * @module
 */

import type { Entry, EntryRoot } from "../../../domain/entry.ts";
import { compareEntryPaths } from "../../../domain/entry.ts";
import { errorText, isAbort } from "../../../domain/error.ts";
import { parseEntryPlace } from "../../../format/archive/contents-parse.ts";
import type { Storage } from "../../../storage/storage.ts";
import type { ContentsRun } from "./archive-reader-contents.ts";
import { ContentsRuns } from "./archive-reader-contents.ts";

/** An unchanged entry and its place in the parent. */
export interface ParentMatch {
  readonly entry: Entry;
  readonly run: ContentsRun;
  /** Which of the run's entries it is. */
  readonly index: number;
}

export interface ParentOptions {
  readonly storage: Storage;
  readonly archiveName: string;
  readonly contentsName: string;
  readonly roots: readonly EntryRoot[];
  readonly warn: (message: string) => void;
}

/** The parent's entries, walked once from front to back. A parent that cannot be read settles nothing. */
export class ParentCursor implements AsyncDisposable {
  readonly #options: ParentOptions;
  readonly #ranks: ReadonlyMap<string, number>;
  readonly #runs: ContentsRuns;
  #run: ContentsRun | undefined;
  #index = 0;
  #place: ReturnType<typeof parseEntryPlace> | undefined;
  #ended = false;

  private constructor(options: ParentOptions, runs: ContentsRuns) {
    this.#options = options;
    this.#runs = runs;
    this.#ranks = new Map(options.roots.map((root, rank) => [root.name, rank]));
  }

  /** Opens the parent; undefined, with a warning, where it cannot serve as one. */
  static async open(options: ParentOptions, signal: AbortSignal): Promise<ParentCursor | undefined> {
    try {
      const archive = await options.storage.stat(options.archiveName, signal);
      if (archive === undefined) return undefined;
      const source = {
        storage: options.storage,
        name: options.contentsName,
        archiveBytes: archive.sizeBytes,
      };
      const cursor = new ParentCursor(options, new ContentsRuns(source, signal));
      return (await cursor.#sameOrder()) ? cursor : undefined;
    } catch (error) {
      if (isAbort(error)) throw error;
      options.warn(unusable(error));
      return undefined;
    }
  }

  /** Where each entry is in the parent, if it is there unchanged. Entries come in order, each once. */
  async settle(entries: readonly Entry[]): Promise<readonly (ParentMatch | undefined)[]> {
    const matches: (ParentMatch | undefined)[] = [];
    for (const entry of entries) {
      if (!this.#ended && (this.#run === undefined || this.#index >= this.#run.lines.length))
        await this.#load();
      // The common case, kept free of promises.
      matches.push(this.#matchNext(entry) ?? (await this.#search(entry)));
    }
    return matches;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#runs[Symbol.asyncDispose]();
  }

  /** The entry, if the parent's next one is the same. */
  #matchNext(entry: Entry): ParentMatch | undefined {
    const run = this.#run;
    if (this.#ended || run === undefined || entry.content?.from === "image") return undefined;
    const index = this.#index;
    if (!run.lines.isUnchanged(index, entry)) return undefined;
    this.#step();
    return { entry, run, index };
  }

  /** Passes over what is no longer there until the entry, or one that comes after it, is next. */
  async #search(entry: Entry): Promise<ParentMatch | undefined> {
    while (!this.#ended && this.#run !== undefined) {
      const match = this.#matchNext(entry);
      if (match !== undefined) return match;
      const order = this.#compare(this.#run.lines.at(this.#index), entry);
      if (order > 0) return undefined;
      this.#step();
      if (order === 0) return undefined;
      if (this.#index >= this.#run.lines.length) await this.#load();
    }
    return undefined;
  }

  #step(): void {
    this.#index++;
    this.#place = undefined;
  }

  /** Where the parent's entry stands: below 0 before `entry`, above 0 after it. */
  #compare(line: string, entry: Entry): number {
    try {
      this.#place ??= parseEntryPlace(line);
    } catch (error) {
      this.#giveUp(error);
      return 1;
    }
    const rank = this.#ranks.get(this.#place.root);
    if (rank === undefined) return -1;
    const rankOrder = rank - (this.#ranks.get(entry.root) ?? 0);
    return rankOrder === 0 ? compareEntryPaths(this.#place.path, entry.path) : rankOrder;
  }

  async #load(): Promise<void> {
    this.#index = 0;
    this.#place = undefined;
    try {
      do this.#run = await this.#runs.next();
      while (this.#run?.lines.length === 0);
    } catch (error) {
      if (isAbort(error)) throw error;
      this.#giveUp(error);
    }
    if (this.#run === undefined) this.#ended = true;
  }

  #giveUp(error: unknown): void {
    this.#ended = true;
    this.#options.warn(unusable(error));
  }

  /** Roots that come in another order now cannot be walked in step. */
  async #sameOrder(): Promise<boolean> {
    let last = -1;
    for (const name of await this.#runs.rootNames()) {
      const rank = this.#ranks.get(name);
      if (rank === undefined) continue;
      if (rank < last) return false;
      last = rank;
    }
    return true;
  }
}

function unusable(error: unknown): string {
  return `The previous backup cannot be built upon, so its files are read again: ${errorText(error)}`;
}
