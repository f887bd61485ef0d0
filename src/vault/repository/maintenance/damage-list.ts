/**
 * Damage found, in the order it was found, and no more of it than people can use.
 *
 * @module
 */

import type { Damage } from "../../vault.ts";

/** A disk that failed may have millions; the first say it all. */
export const damagesMax = 1_000;

/** Keeps the first {@link damagesMax} and counts the rest. */
export class DamageList {
  readonly #damages: Damage[] = [];
  #more = 0;

  get isFull(): boolean {
    return this.#damages.length >= damagesMax;
  }

  get isEmpty(): boolean {
    return this.#damages.length === 0;
  }

  add(object: string, message: string, path?: string): void {
    if (this.isFull) this.#more++;
    else this.#damages.push({ object, message, ...(path === undefined ? {} : { path }) });
  }

  /** The damage kept; where there was more, a last one says how much. */
  all(): readonly Damage[] {
    if (this.#more === 0) return this.#damages;
    return [...this.#damages, { object: "repository", message: `${this.#more} more damages are not listed` }];
  }
}
