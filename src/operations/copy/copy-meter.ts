/**
 * How far a copy of several backups has come, in bytes as they were protected.
 *
 * @module
 */

import type { Backup } from "../../domain/backup.ts";
import type { RunLog } from "../run-log.ts";

export class CopyMeter {
  readonly #log: RunLog;
  readonly #bytesTotal: number;
  readonly #itemsTotal: number;
  #current: Backup | undefined;
  /** Bytes of backups that are over, copied or not. */
  #bytesBefore = 0;
  #bytesOfCurrent = 0;
  #itemsDone = 0;
  /** Bytes of the backups that are copied whole. */
  bytesOfWhole = 0;

  /** @param itemsTotal Backups to be copied */
  constructor(log: RunLog, bytesTotal: number, itemsTotal: number) {
    this.#log = log;
    this.#bytesTotal = bytesTotal;
    this.#itemsTotal = itemsTotal;
  }

  begin(backup: Backup): void {
    this.#current = backup;
    this.#bytesOfCurrent = 0;
  }

  read(bytes: number): void {
    this.#bytesOfCurrent += bytes;
    this.#log.progress(this.#progress());
  }

  /** The backup that was begun is copied. */
  done(): void {
    this.bytesOfWhole += this.#bytesOfCurrent;
    this.#itemsDone++;
    this.failed();
  }

  /** It is over; what was not read of it counts as done, so that the rest comes out right. */
  failed(): void {
    this.#bytesBefore += Math.max(this.#bytesOfCurrent, this.#current?.sourceBytes ?? 0);
    this.#bytesOfCurrent = 0;
  }

  end(): void {
    this.#log.finalProgress(this.#progress());
  }

  #progress(): Parameters<RunLog["progress"]>[0] {
    const bytesDone = this.#bytesBefore + this.#bytesOfCurrent;
    return {
      phase: "copy",
      bytesDone,
      bytesTotal: Math.max(this.#bytesTotal, bytesDone),
      itemsDone: this.#itemsDone,
      itemsTotal: this.#itemsTotal,
      ...(this.#current === undefined ? {} : { current: this.#current.id }),
    };
  }
}
