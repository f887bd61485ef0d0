/**
 * A clock that stands still until a test moves it.
 *
 * @module
 */

import type { Clock } from "../domain/clock.ts";
import { noonMs } from "./vault-probe.ts";

/** Begins at the noon of the vault checks; wall time and elapsed time move together. */
export class TestClock implements Clock {
  ms: number = noonMs;

  now(): number {
    return this.ms;
  }

  elapsed(): number {
    return this.ms;
  }
}
