/**
 * Counts what a restore has built and reports it.
 *
 * @module
 */

import { byteStringToDisplay } from "../../domain/byte-string.ts";
import type { ByteString } from "../../domain/byte-string.ts";
import type { RunLog } from "../run-log.ts";

export class StageProgress {
  bytes = 0;
  items = 0;
  readonly #bytesTotal: number;
  readonly #log: RunLog;

  constructor(log: RunLog, bytesTotal: number) {
    this.#log = log;
    this.#bytesTotal = bytesTotal;
  }

  /** One more file, of which `sizeBytes` have not been reported yet. */
  wrote(sizeBytes: number, path: ByteString): void {
    this.items++;
    this.wrotePart(sizeBytes, path);
  }

  wrotePart(sizeBytes: number, path: ByteString): void {
    this.bytes += sizeBytes;
    this.#log.progress({ ...this.#sums(), current: byteStringToDisplay(path) });
  }

  end(): void {
    this.#log.finalProgress(this.#sums());
  }

  #sums(): { phase: "stage"; bytesDone: number; itemsDone: number; bytesTotal: number } {
    return { phase: "stage", bytesDone: this.bytes, itemsDone: this.items, bytesTotal: this.#bytesTotal };
  }
}
