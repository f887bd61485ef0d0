/**
 * The walk that is begun while a vault is still being opened, which for a repository takes
 * half a second, for the backup that is going to be made.
 *
 * @module
 */

import type { Clock } from "../domain/clock.ts";
import { freshMsMax, WalkAhead } from "../operations/walk-ahead.ts";
import type { WalkOptions } from "../source/folder/walk-folder.ts";

/** At most one, which nobody may come for: then it ends by itself. */
export class PreparedWalk {
  readonly #clock: Clock;
  #walk: WalkAhead | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Begins to walk, unless another walk waits for its backup. */
  begin(options: WalkOptions): void {
    if (this.#walk !== undefined) return;
    this.#walk = new WalkAhead(options, this.#clock);
    this.#timer = setTimeout(() => void this.drop(), freshMsMax);
    this.#timer.unref();
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
