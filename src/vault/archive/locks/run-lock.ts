/**
 * A run's own entry in `.vertex/locks/`, kept fresh while it works. Made by
 * `run-locks.ts` only.
 *
 * @module
 */

import { type Clock, isoWithOffset } from "../../../domain/clock.ts";
import { BackupError, errorText, isBackupError } from "../../../domain/error.ts";
import { readAll } from "../../../storage/read-all.ts";
import type { Storage } from "../../../storage/storage.ts";
import {
  encodeRunDocument,
  parseRunDocument,
  type RunDocument,
  runDocumentSizeBytesMax,
  runObjectName,
} from "./run-document.ts";
import { silenceMsMax } from "../bytes/runs.ts";

const refreshIntervalMs = 5 * 60_000;

/** Five minutes before others take the run for gone, it takes itself for gone. */
const ownSilenceMsMax: number = silenceMsMax - refreshIntervalMs;

/** Releasing has a signal of its own, because that of the run may be aborted; a storage that is away must not hang it. */
const releaseTimeoutMs = 15_000;

/** Stores one of a run's objects, as `Storage.put`. */
export type PutRun = (name: string, content: Uint8Array, signal: AbortSignal) => Promise<void>;

export interface RunLockOptions {
  readonly storage: Storage;
  /** How its objects are stored. */
  readonly put: PutRun;
  readonly clock: Clock;
  readonly base: string;
  /** As it stands in the first object, which the caller has put. */
  readonly document: RunDocument;
}

export class RunLock {
  readonly #storage: Storage;
  readonly #put: PutRun;
  readonly #clock: Clock;
  readonly #base: string;
  readonly #timer: NodeJS.Timeout;
  #document: RunDocument;
  #sequence = 0;
  #names: string[];
  #refreshedAt: { readonly now: number; readonly elapsed: number };
  #publishing: Promise<void> = Promise.resolve();
  #state: "held" | "lost" | "released" = "held";

  constructor(options: RunLockOptions) {
    this.#storage = options.storage;
    this.#put = options.put;
    this.#clock = options.clock;
    this.#base = options.base;
    this.#document = options.document;
    this.#names = [runObjectName(options.base, 0)];
    this.#refreshedAt = this.#time();
    // A failed refresh is made up for by the next; too many of them are noticed by assertHeld.
    this.#timer = setInterval(() => void this.#refreshByTimer(), refreshIntervalMs).unref();
  }

  /** The stamp it claimed, for a run that makes a backup. */
  get stamp(): string {
    return this.#base;
  }

  /** Its objects in the storage, newest first. */
  get names(): readonly string[] {
    return this.#names;
  }

  /** Says durably which backups are about to be removed, before the first of their objects goes (I8). */
  async reserve(ids: readonly string[], signal: AbortSignal): Promise<void> {
    this.#document = { ...this.#document, reserves: ids };
    await this.refresh(signal);
  }

  /** Says durably that an object of this name will be its own, before it is put (I8). */
  async announce(name: string, signal: AbortSignal): Promise<void> {
    this.#document = { ...this.#document, puts: [...this.#document.puts, name] };
    await this.refresh(signal);
  }

  /** Gives a sign of life: a new object, because nothing in a storage is overwritten, then the one before is removed. */
  refresh(signal: AbortSignal): Promise<void> {
    const next = this.#publishing.then(() => this.#publish(signal));
    this.#publishing = next.catch(() => undefined);
    return next;
  }

  /**
   * Makes sure that nobody can have taken this run for gone.
   *
   * @throws {BackupError} `locked` if somebody may have: then what it wrote may be cleaned away already
   */
  async assertHeld(signal: AbortSignal): Promise<void> {
    this.#giveUpAfterSilence();
    if (this.#silentMs() >= 2 * refreshIntervalMs) await this.refresh(signal);
    else await this.#requireFirst(signal);
    // Once more: the look itself may have taken half an hour.
    this.#giveUpAfterSilence();
  }

  /** Others that passed over this run remove nothing of its lock, so only its own silence tells. */
  #giveUpAfterSilence(): void {
    if (this.#silentMs() >= ownSilenceMsMax) this.#state = "lost";
    if (this.#state === "lost") throw this.#takenForDead();
  }

  /** Somebody who took this run for dead, rightly or wrongly, has cleaned its lock away. */
  async #requireFirst(signal: AbortSignal): Promise<void> {
    if ((await this.#storage.stat(runObjectName(this.#base, 0), signal)) !== undefined) return;
    this.#state = "lost";
    throw this.#takenForDead();
  }

  #takenForDead(): BackupError {
    return new BackupError(
      "locked",
      `Cannot go on in ${this.#storage.location}: others took this run for dead, or may have after its long silence`,
      { retryable: true, hint: "Start it again." },
    );
  }

  /**
   * Ends the run for others. Never throws: what the run did stands, and a lock that
   * stays behind is cleaned once its process has ended.
   *
   * @returns Why the lock could not be removed; empty when it was
   */
  async release(): Promise<string> {
    if (this.#state === "released") return "";
    this.#state = "released";
    clearInterval(this.#timer);
    await this.#publishing;
    try {
      await this.#storage.remove(this.#names, AbortSignal.timeout(releaseTimeoutMs));
      return "";
    } catch (error) {
      return errorText(error);
    }
  }

  /**
   * Takes the stamp again if others took this run for gone. Says whether it is this run's now; until it
   * is released nobody else gets it.
   */
  async reclaim(signal: AbortSignal): Promise<boolean> {
    const first = runObjectName(this.#base, 0);
    try {
      await this.#put(first, encodeRunDocument(this.#document), signal);
      return true;
    } catch (error) {
      if (!isBackupError(error, "exists")) throw error;
    }
    const bytes = await readAll(this.#storage, first, runDocumentSizeBytesMax, signal);
    return parseRunDocument(bytes)?.runId === this.#document.runId;
  }

  /** Gives no more signs of life and stays: what it reserves is cleaned once it counts as gone. */
  abandon(): void {
    this.#state = "released";
    clearInterval(this.#timer);
  }

  /**
   * Lets others work again although something is left to clean: the entry becomes a shared one that
   * gives no more signs of life. Never throws.
   */
  async demote(): Promise<void> {
    this.#document = { ...this.#document, kind: "shared" };
    try {
      await this.refresh(AbortSignal.timeout(releaseTimeoutMs));
    } catch {
      // It stays exclusive then, until its process has ended or was silent for long enough.
    }
    this.abandon();
  }

  async #refreshByTimer(): Promise<void> {
    try {
      await this.refresh(AbortSignal.timeout(refreshIntervalMs));
    } catch (error) {
      if (isBackupError(error, "locked")) this.#state = "lost";
    }
  }

  async #publish(signal: AbortSignal): Promise<void> {
    if (this.#state === "released") return;
    // A sign of life after too long a silence would hide it: others may be at work already.
    this.#giveUpAfterSilence();
    const started = this.#time();
    const first = runObjectName(this.#base, 0);
    await this.#requireFirst(signal);
    this.#sequence++;
    const name = runObjectName(this.#base, this.#sequence);
    this.#document = { ...this.#document, refreshedAt: isoWithOffset(started.now) };
    const older = this.#names.filter((own) => own !== first);
    // Noted before it is put: if the answer is lost, release still removes it.
    this.#names = [name, ...this.#names];
    await this.#put(name, encodeRunDocument(this.#document), signal);
    this.#refreshedAt = started;
    if (older.length > 0) await this.#storage.remove(older, signal);
    this.#names = [name, first];
  }

  #time(): { readonly now: number; readonly elapsed: number } {
    return { now: this.#clock.now(), elapsed: this.#clock.elapsed() };
  }

  /** The wall clock counts while a machine sleeps, the other while somebody sets the clock back: the longer one is the safe one. */
  #silentMs(): number {
    const { now, elapsed } = this.#time();
    return Math.max(now - this.#refreshedAt.now, elapsed - this.#refreshedAt.elapsed);
  }
}
