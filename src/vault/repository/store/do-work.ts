/**
 * Does the work of a blob store in the thread it is called in, whichever that is.
 *
 * @module
 */

import { SourceFileError } from "../../source-file.ts";
import { factWords, packFacts } from "./file-facts.ts";
import { type CutFile, FileReader, type FileReaderOptions, type ReadFile } from "./read-files.ts";
import type { FileOutcome, StoreResult, StoreWork } from "./store-messages.ts";

export interface WorkDoerOptions extends FileReaderOptions {
  /** Asked before each file. */
  readonly throwIfAborted: () => void;
}

export class WorkDoer {
  readonly #reader: FileReader;
  readonly #throwIfAborted: () => void;

  constructor(options: WorkDoerOptions) {
    this.#reader = new FileReader(options);
    this.#throwIfAborted = options.throwIfAborted;
  }

  /** Returns when it is done; files that cannot be read are told in the result. */
  run(work: StoreWork): StoreResult {
    if (work.kind === "files") return this.#collect(work.paths, (path) => this.#reader.store(path));
    if (work.kind === "piece") return this.#collect([work], (piece) => this.#reader.storePiece(piece));
    let cut: CutFile | undefined;
    const result = this.#collect([work], ({ path, start, spanBytes }) => {
      cut = this.#reader.cut(path, start, spanBytes);
      return cut;
    });
    return cut === undefined ? result : { ...result, lengths: cut.lengths, isEnd: cut.isEnd };
  }

  #collect<Item>(items: readonly Item[], read: (item: Item) => ReadFile): StoreResult {
    const outcomes: FileOutcome[] = [];
    const facts = new BigInt64Array(items.length * factWords);
    for (const [index, item] of items.entries()) {
      this.#throwIfAborted();
      try {
        const { stored, source } = read(item);
        outcomes.push(stored);
        packFacts(facts, index, source.stats);
      } catch (error) {
        if (!(error instanceof SourceFileError)) throw error;
        outcomes.push({ outcome: "unstored", problem: error.problem, message: error.message });
      }
    }
    return { outcomes, facts, lengths: [], isEnd: true };
  }
}
