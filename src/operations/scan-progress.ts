/**
 * How far the walk of the folders has come, and from that what the whole will come
 * to: the walk hardly runs ahead of the reading, so until its end the previous
 * backup tells.
 *
 * @module
 */

import type { Backup } from "../domain/backup.ts";
import type { Entry } from "../domain/entry.ts";
import type { RunLog } from "./run-log.ts";

interface Amount {
  readonly bytes: number;
  readonly items: number;
}

export class ScanProgress {
  readonly #log: RunLog;
  readonly #before: Amount;
  #bytes = 0;
  #items = 0;
  #ended = false;

  /** @param previous An earlier backup of the same folders, if there is one */
  constructor(log: RunLog, previous: Pick<Backup, "sourceBytes" | "databases" | "counts"> | undefined) {
    this.#log = log;
    this.#before = previous === undefined ? { bytes: 0, items: 0 } : amountOf(previous);
  }

  saw(entries: readonly { readonly entry: Entry }[]): void {
    this.#items += entries.length;
    for (const { entry } of entries) this.#bytes += entry.sizeBytes;
    this.#log.progress({ phase: "scan", bytesDone: this.#bytes, itemsDone: this.#items });
  }

  /** To be called when all folders were walked. */
  end(): void {
    this.#ended = true;
    const [bytes, items] = [this.#bytes, this.#items];
    this.#log.finalProgress({
      phase: "scan",
      bytesDone: bytes,
      itemsDone: items,
      bytesTotal: bytes,
      itemsTotal: items,
    });
  }

  /** What is to be stored: known after the walk, a guess before. */
  expected(): Amount {
    if (this.#ended) return { bytes: this.#bytes, items: this.#items };
    return {
      bytes: Math.max(this.#bytes, this.#before.bytes),
      items: Math.max(this.#items, this.#before.items),
    };
  }
}

function amountOf({
  sourceBytes,
  databases,
  counts,
}: Pick<Backup, "sourceBytes" | "databases" | "counts">): Amount {
  const inDatabases = databases.reduce((sum, database) => sum + database.sizeBytes, 0);
  return {
    bytes: Math.max(0, sourceBytes - inDatabases),
    items: counts.files + counts.directories + counts.symlinks,
  };
}
