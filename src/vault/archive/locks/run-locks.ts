/**
 * Who may work in a vault at the same time (I7), and who gets which stamp. The
 * protocol needs a storage that refuses a second put of one name and lists what
 * was put; it is described in `docs/crash-safety.md`.
 *
 * @module
 */

import { randomUUID } from "node:crypto";
import type { BackupType } from "../../../domain/backup.ts";
import { type Clock, isoWithOffset } from "../../../domain/clock.ts";
import { BackupError, isBackupError } from "../../../domain/error.ts";
import type { ThisMachine } from "../../../domain/run-owner.ts";
import {
  archiveName,
  backupId,
  contentsName,
  databaseName,
  metadataName,
  stampCandidate,
} from "../../../format/archive/file-names.ts";
import { readAll } from "../../../storage/read-all.ts";
import type { Storage } from "../../../storage/storage.ts";
import { LockWait } from "../../lock-wait.ts";
import type { LockOptions } from "../../vault.ts";
import { describeHolder } from "./describe-holder.ts";
import {
  encodeRunDocument,
  parseRunDocument,
  type RunDocument,
  type RunPurpose,
  runDocumentSizeBytesMax,
  runObjectName,
} from "./run-document.ts";
import { type PutRun, RunLock } from "./run-lock.ts";
import { isRunGone, type Run, readRuns } from "../bytes/runs.ts";

export interface RunLocksOptions {
  readonly storage: Storage;
  readonly machine: ThisMachine;
  readonly clock: Clock;
  readonly toolVersion: string;
  /** Stores the objects of runs that make no backup, and so may use the vault's reserve. */
  readonly putReserved: PutRun;
}

/** A backup to be made, which needs a stamp nobody else has. */
export interface StampRequest {
  readonly type: BackupType;
  readonly startedAtMs: number;
}

/** Backups that start within one second and find each other's names taken; more is a loop, not a coincidence. */
const stampAttemptsMax = 1_000;

/** Cleaning up after a failure must not hang on a storage that is away. */
const cleanupTimeoutMs = 15_000;

export class RunLocks {
  readonly #options: RunLocksOptions;
  /** As a run that makes a backup puts its objects (I2). */
  readonly #put: PutRun;
  /** Objects of our own that could not be removed; without this a server would block itself. */
  #left: string[] = [];

  constructor(options: RunLocksOptions) {
    this.#options = options;
    this.#put = (name, content, signal) => options.storage.put(name, content, signal);
  }

  /** A lock beside other shared ones, for a run that makes a backup: it also claims the stamp. */
  async acquireForCreate(request: StampRequest, options: LockOptions, signal: AbortSignal): Promise<RunLock> {
    await this.#removeLeft(signal);
    const lock = await this.#claimStamp(request, signal);
    return this.#waitForExclusive(lock, options, signal);
  }

  /** A lock beside other shared ones that keeps backups from being removed. */
  async acquireForHold(options: LockOptions, signal: AbortSignal): Promise<RunLock> {
    await this.#removeLeft(signal);
    const document = this.#newDocument("shared", "hold");
    const { putReserved } = this.#options;
    await this.#putOwn(document.runId, document, putReserved, signal);
    return this.#waitForExclusive(this.#lock(document.runId, document, putReserved), options, signal);
  }

  /**
   * The only lock. Backs out while others are at work, so that two who want it cannot block each other.
   *
   * @returns The lock and the runs that were found gone; they stay until `clean`
   */
  async acquireExclusive(
    purpose: RunPurpose,
    options: LockOptions,
    signal: AbortSignal,
  ): Promise<{ readonly lock: RunLock; readonly gone: readonly Run[] }> {
    await this.#removeLeft(signal);
    const wait = new LockWait(this.#options.storage.location, this.#options.clock, options);
    for (;;) {
      const document = this.#newDocument("exclusive", purpose);
      const { putReserved } = this.#options;
      await this.#putOwn(document.runId, document, putReserved, signal);
      const lock = this.#lock(document.runId, document, putReserved);
      const { holders, gone } = await this.#orRelease(lock, () => this.#others(lock, signal));
      if (holders.length === 0) return { lock, gone };
      await this.release(lock, options);
      await wait.pause(describeHolder(holders), signal);
    }
  }

  /** Releases a lock; one that cannot be removed is removed before the next is taken. */
  async release(lock: RunLock, options: Pick<LockOptions, "observer">): Promise<void> {
    const failure = await this.#releaseQuietly(lock);
    if (failure !== "")
      options.observer.warning(`A lock stays behind in ${this.#options.storage.location}: ${failure}`);
  }

  async #waitForExclusive(lock: RunLock, options: LockOptions, signal: AbortSignal): Promise<RunLock> {
    // A shared run stays where it is and waits: the exclusive ones back out, so this cannot go on forever.
    return await this.#orRelease(lock, async () => {
      const wait = new LockWait(this.#options.storage.location, this.#options.clock, options);
      for (;;) {
        const { holders } = await this.#others(lock, signal);
        const exclusive = holders.filter((run) => run.document?.kind !== "shared");
        if (exclusive.length === 0) return lock;
        await wait.pause(describeHolder(exclusive), signal);
      }
    });
  }

  async #orRelease<T>(lock: RunLock, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      await this.#releaseQuietly(lock);
      throw error;
    }
  }

  async #releaseQuietly(lock: RunLock): Promise<string> {
    const failure = await lock.release();
    if (failure !== "") this.#left.push(...lock.names);
    return failure;
  }

  /** The other runs, with our own object's time as the storage's now. */
  async #others(
    lock: RunLock,
    signal: AbortSignal,
  ): Promise<{ readonly holders: readonly Run[]; readonly gone: readonly Run[] }> {
    const runs = await readRuns(this.#options.storage, signal);
    const own = runs.find((run) => run.base === lock.stamp);
    if (own === undefined) {
      throw new BackupError("locked", `Cannot lock ${this.#options.storage.location}: the lock vanished`, {
        retryable: true,
      });
    }
    // Breaking a lock means passing over it: nothing is removed here, so two who break one at once are safe.
    const others = Map.groupBy(
      runs.filter((run) => run !== own),
      (run) => isRunGone(run, this.#options.machine, own.refreshedAtMs),
    );
    return { holders: others.get(false) ?? [], gone: others.get(true) ?? [] };
  }

  async #claimStamp(request: StampRequest, signal: AbortSignal): Promise<RunLock> {
    const unnamed = this.#newDocument("shared", "create");
    for (let attempt = 1; attempt <= stampAttemptsMax; attempt++) {
      signal.throwIfAborted();
      const stamp = stampCandidate(request.startedAtMs, attempt);
      if (await this.#isTaken(stamp, signal)) continue;
      const document = { ...unnamed, reserves: [backupId(request.type, stamp)] };
      if (!(await this.#tryClaim(stamp, document, signal))) continue;
      const lock = this.#lock(stamp, document, this.#put);
      // Looked at again, now that nobody else can take it: a run may have finished in between.
      if (!(await this.#orRelease(lock, () => this.#isTaken(stamp, signal)))) return lock;
      await this.#releaseQuietly(lock);
    }
    throw new BackupError(
      "exists",
      `Cannot name a new backup in ${this.#options.storage.location}: ${stampAttemptsMax} names of this second are taken`,
    );
  }

  async #tryClaim(stamp: string, document: RunDocument, signal: AbortSignal): Promise<boolean> {
    try {
      await this.#putOwn(stamp, document, this.#put, signal);
      return true;
    } catch (error) {
      if (isBackupError(error, "exists")) return false;
      throw error;
    }
  }

  async #isTaken(stamp: string, signal: AbortSignal): Promise<boolean> {
    const names = [
      metadataName(backupId("full", stamp)),
      metadataName(backupId("database", stamp)),
      metadataName(backupId("storage", stamp)),
      databaseName(stamp, ""),
      archiveName(stamp),
      contentsName(stamp),
    ];
    const found = await Promise.all(names.map((name) => this.#options.storage.stat(name, signal)));
    return found.some((object) => object !== undefined);
  }

  #lock(base: string, document: RunDocument, put: PutRun): RunLock {
    return new RunLock({ storage: this.#options.storage, clock: this.#options.clock, base, document, put });
  }

  #newDocument(kind: RunDocument["kind"], purpose: RunPurpose): RunDocument {
    const now = isoWithOffset(this.#options.clock.now());
    return {
      runId: randomUUID(),
      kind,
      purpose,
      owner: this.#options.machine.owner,
      startedAt: now,
      refreshedAt: now,
      reserves: [],
      puts: [],
      toolVersion: this.#options.toolVersion,
    };
  }

  async #putOwn(base: string, document: RunDocument, put: PutRun, signal: AbortSignal): Promise<void> {
    const name = runObjectName(base, 0);
    try {
      await put(name, encodeRunDocument(document), signal);
    } catch (error) {
      // The answer may be lost after the object was stored. It is removed only if it is ours.
      if (!isBackupError(error, "exists")) await this.#removeIfOwn(name, document.runId);
      throw error;
    }
  }

  async #removeIfOwn(name: string, runId: string): Promise<void> {
    const signal = AbortSignal.timeout(cleanupTimeoutMs);
    try {
      const bytes = await readAll(this.#options.storage, name, runDocumentSizeBytesMax, signal);
      if (parseRunDocument(bytes)?.runId === runId) await this.#options.storage.remove([name], signal);
    } catch {
      // Nothing there, or the storage is away: the failure that led here is the one to report.
    }
  }

  async #removeLeft(signal: AbortSignal): Promise<void> {
    if (this.#left.length === 0) return;
    await this.#options.storage.remove(this.#left, signal);
    this.#left = [];
  }
}
