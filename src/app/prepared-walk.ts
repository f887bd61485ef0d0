/**
 * The walk that is begun while a vault is still being opened, which for a repository takes
 * half a second, for the backup that is going to be made.
 *
 * @module
 */

import type { Clock } from "../domain/clock.ts";
import { freshMsMax, WalkAhead } from "../operations/walk-ahead.ts";
import type { WalkOptions } from "../source/folder/walk-folder.ts";

/** At most one: of the backup that was asked for last, whose end ends it. */
export class PreparedWalk {
  readonly #clock: Clock;
  #walk: WalkAhead | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Begins to walk, for a backup that was just asked for. A walk that waits for another one is dropped: this
   * one saw what that one is to see, but not the other way round.
   *
   * @returns drops this walk, if it still waits; to be disposed of when its backup has ended, so that none goes
   *   by what was seen before it was asked for
   */
  begin(options: WalkOptions): AsyncDisposable {
    void this.drop();
    const walk = new WalkAhead(options, this.#clock);
    this.#walk = walk;
    this.#timer = setTimeout(() => void this.drop(), freshMsMax);
    this.#timer.unref();
    return {
      [Symbol.asyncDispose]: async () => {
        if (this.#walk === walk) await this.drop();
      },
    };
  }

  /** The walk, if it is the one that is wanted; the caller disposes of it. */
  take(wanted: WalkOptions): WalkAhead | undefined {
    if (this.#walk?.serves(wanted) !== true) return undefined;
    return this.#release();
  }

  /** What was seen is not to be gone by. */
  async drop(): Promise<void> {
    await this.#release()?.[Symbol.asyncDispose]();
  }

  #release(): WalkAhead | undefined {
    const walk = this.#walk;
    this.#walk = undefined;
    clearTimeout(this.#timer);
    return walk;
  }
}
