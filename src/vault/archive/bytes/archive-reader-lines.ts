/**
 * Runs of a contents file with their entries parsed and held against each other:
 * known roots, the promised order, nothing outside of its run, nothing below a link.
 *
 * @module
 */

import type { EntryRoot, StoredEntry } from "../../../domain/entry.ts";
import { compareEntryPaths } from "../../../domain/entry.ts";
import { BackupError } from "../../../domain/error.ts";
import type { EntryLine } from "../../../format/archive/contents-parse.ts";
import { parseEntryLine } from "../../../format/archive/contents-parse.ts";
import type { ContentsRun, ContentsSource } from "./archive-reader-contents.ts";
import { ContentsRuns } from "./archive-reader-contents.ts";

/** A run and its entries. */
export interface ParsedRun {
  readonly run: ContentsRun;
  readonly entries: readonly EntryLine[];
}

/** Reads runs in order. Dispose it when not read to the end. */
export class ParsedRuns implements AsyncDisposable {
  readonly #runs: ContentsRuns;
  readonly #name: string;
  readonly #ranks: ReadonlyMap<string, number>;
  #last: StoredEntry | undefined;

  constructor(source: ContentsSource, roots: readonly EntryRoot[], signal: AbortSignal) {
    this.#runs = new ContentsRuns(source, signal);
    this.#name = source.name;
    this.#ranks = new Map(roots.map(({ name }, rank) => [name, rank]));
  }

  /** The next run; undefined after the last. @throws {BackupError} `damaged`, `unsafe`, `unsupported` */
  async next(): Promise<ParsedRun | undefined> {
    const run = await this.#runs.next();
    if (run === undefined) return undefined;
    const entries = run.lines.all().map((line) => {
      const parsed = parseEntryLine(line);
      this.#check(parsed, run);
      return parsed;
    });
    return { run, entries };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#runs[Symbol.asyncDispose]();
  }

  #check({ entry, at }: EntryLine, run: ContentsRun): void {
    const rank = this.#ranks.get(entry.root);
    if (rank === undefined) throw this.#damaged(`an entry is of an unknown folder`);
    if (entry.sha256 !== undefined && at + entry.sizeBytes > run.rawBytes) {
      throw this.#damaged("an entry lies outside of its run");
    }
    const last = this.#last;
    this.#last = entry;
    if (last === undefined) return;
    const rankOrder = rank - (this.#ranks.get(last.root) ?? 0);
    if (rankOrder < 0 || (rankOrder === 0 && compareEntryPaths(last.path, entry.path) >= 0)) {
      throw this.#damaged("its entries are not in order");
    }
    // In order, what is below a path follows it directly, so the last entry is the only one to look at.
    if (rankOrder === 0 && last.kind !== "directory" && entry.path.startsWith(`${last.path}/`)) {
      throw new BackupError(
        "unsafe",
        `Cannot read ${this.#name}: an entry lies below something that is no folder`,
      );
    }
  }

  #damaged(what: string): BackupError {
    return new BackupError("damaged", `Cannot read ${this.#name}: ${what}`);
  }
}
