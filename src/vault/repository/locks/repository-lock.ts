/**
 * A lock of our own in `locks/`, kept fresh while it is held. Made by
 * `acquire-lock.ts` only.
 *
 * @module
 */

import { BackupError, errorText, isBackupError } from "../../../domain/error.ts";
import type { Observer } from "../../../domain/progress.ts";
import { encodeLock } from "../../../format/restic/lock.ts";
import type { LockDocument, ObjectId } from "../../../format/restic/model.ts";
import { formatTime } from "../../../format/restic/times.ts";
import { documentName, putDocument, removeObjects, sealDocument } from "../objects.ts";
import type { Repository } from "../repository.ts";
import { readThisUser } from "../this-user.ts";
import { endureProbes } from "./endure-probes.ts";
import { ownSilenceMsMax, refreshIntervalMs } from "./lock-state.ts";

/** Releasing has a signal of its own, because that of the run may be aborted; a storage that is away must not hang it. */
const releaseTimeoutMs = 15_000;

export class RepositoryLock implements AsyncDisposable {
  readonly #repo: Repository;
  readonly #exclusive: boolean;
  readonly #observer: Observer;
  /** Called with files of ours that could not be removed. */
  readonly #onLeft: (ids: readonly ObjectId[]) => void;
  readonly #lost = new AbortController();
  readonly #endured: Disposable = endureProbes();
  #timer: NodeJS.Timeout | undefined;
  /** The file that stands for us. */
  #id: ObjectId = "";
  /** That, and others that may be there: put without an answer, or not yet removed. */
  #ids: readonly ObjectId[] = [];
  #refreshedAt: { readonly now: number; readonly elapsed: number };
  #refreshing: Promise<void> = Promise.resolve();
  #releasing: Promise<void> | undefined;

  constructor(
    repo: Repository,
    options: { readonly exclusive: boolean; readonly observer: Observer },
    onLeft: (ids: readonly ObjectId[]) => void,
  ) {
    this.#repo = repo;
    this.#exclusive = options.exclusive;
    this.#observer = options.observer;
    this.#onLeft = onLeft;
    this.#refreshedAt = this.#time();
  }

  /** Aborted once others may take this run for gone: whoever holds the lock stops writing then. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Files in `locks/` that are, or may be, of this lock. */
  get ids(): readonly ObjectId[] {
    return this.#ids;
  }

  /** Puts the first file and begins to refresh it. */
  async put(signal: AbortSignal): Promise<void> {
    await this.#publish(signal);
    // A failed refresh is made up for by the next; too many of them are noticed by assertHeld.
    this.#timer = setInterval(() => void this.#refreshByTimer(), refreshIntervalMs).unref();
  }

  /** Gives a sign of life: a new file, because nothing is overwritten, then the one before is removed. */
  refresh(signal: AbortSignal): Promise<void> {
    const next = this.#refreshing.then(() => this.#refresh(signal));
    this.#refreshing = next.catch(() => undefined);
    return next;
  }

  /**
   * Makes sure that nobody can have taken this run for gone (I7). Ask before each step that removes.
   *
   * @throws {BackupError} `locked` if somebody may have: then what it works on may be changed by others
   */
  async assertHeld(signal: AbortSignal): Promise<void> {
    this.#giveUpAfterSilence();
    if (this.#silentMs() >= 2 * refreshIntervalMs) await this.refresh(signal);
    else await this.#requireFile(signal);
    // Once more: the look itself may have taken half an hour.
    this.#giveUpAfterSilence();
  }

  /** Lets others work. Never throws: what the run did stands. May be called more than once. */
  release(): Promise<void> {
    this.#releasing ??= this.#release();
    return this.#releasing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }

  async #release(): Promise<void> {
    clearInterval(this.#timer);
    await this.#refreshing;
    try {
      await removeObjects(this.#repo, "locks", this.#ids, AbortSignal.timeout(releaseTimeoutMs));
    } catch (error) {
      this.#onLeft(this.#ids);
      this.#observer.warning(`A lock stays behind in ${this.#repo.storage.location}: ${errorText(error)}`);
    } finally {
      this.#endured[Symbol.dispose]();
    }
  }

  async #refreshByTimer(): Promise<void> {
    try {
      await this.refresh(AbortSignal.timeout(refreshIntervalMs));
    } catch (error) {
      if (!isBackupError(error, "locked"))
        this.#observer.warning(`Cannot refresh a lock: ${errorText(error)}`);
    }
  }

  async #refresh(signal: AbortSignal): Promise<void> {
    if (this.#releasing !== undefined) return;
    // A sign of life after too long a silence would hide it: others may be at work already.
    this.#giveUpAfterSilence();
    await this.#requireFile(signal);
    const [older, before] = [this.#ids, this.#id];
    await this.#publish(signal);
    const current = this.#id;
    // Whoever broke the lock meanwhile has not seen the new file.
    if (!(await this.#isThere(before, signal))) throw this.#takenForGone();
    await removeObjects(this.#repo, "locks", older, signal);
    this.#ids = [current];
  }

  async #publish(signal: AbortSignal): Promise<void> {
    const started = this.#time();
    const sealed = sealDocument(this.#repo, encodeLock(this.#document(started.now)));
    // Noted before it is put: if the answer is lost, release still removes it.
    this.#ids = [sealed.id, ...this.#ids];
    await putDocument(this.#repo, "locks", sealed, signal);
    this.#id = sealed.id;
    this.#refreshedAt = started;
  }

  #document(nowMs: number): LockDocument {
    const { bootId, pid, pidNamespace, startedTicks, host } = this.#repo.machine.owner;
    return {
      time: formatTime(BigInt(Math.round(nowMs)) * 1_000_000n),
      timeMs: nowMs,
      exclusive: this.#exclusive,
      hostname: host,
      pid,
      ...readThisUser(),
      owner: { bootId, pidNamespace, startedTicks },
    };
  }

  async #requireFile(signal: AbortSignal): Promise<void> {
    if (await this.#isThere(this.#id, signal)) return;
    // A refresh by the timer may have replaced it while we looked.
    if (await this.#isThere(this.#id, signal)) return;
    throw this.#takenForGone();
  }

  async #isThere(id: ObjectId, signal: AbortSignal): Promise<boolean> {
    return (await this.#repo.storage.stat(documentName("locks", id), signal)) !== undefined;
  }

  #giveUpAfterSilence(): void {
    if (this.#lost.signal.aborted || this.#silentMs() >= ownSilenceMsMax) throw this.#takenForGone();
  }

  #takenForGone(): BackupError {
    const error = new BackupError(
      "locked",
      `Cannot go on in ${this.#repo.storage.location}: the lock was removed, or others may pass over it after a long silence`,
      { retryable: true, hint: "Start it again." },
    );
    this.#lost.abort(error);
    return error;
  }

  #time(): { readonly now: number; readonly elapsed: number } {
    return { now: this.#repo.clock.now(), elapsed: this.#repo.clock.elapsed() };
  }

  /** The wall clock counts while a machine sleeps, the other while somebody sets the clock back: the longer one is the safe one. */
  #silentMs(): number {
    const { now, elapsed } = this.#time();
    return Math.max(now - this.#refreshedAt.now, elapsed - this.#refreshedAt.elapsed);
  }
}
