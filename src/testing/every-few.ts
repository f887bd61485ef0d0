/**
 * How much of a sweep is run: a part of it in the unit tests, the whole by `npm run sweep`.
 *
 * @module
 */

const isWhole = process.env["VERTEX_BACKUP_SWEEP"] === "all";

/** The step of a sweep: `few` in unit tests, 1 in whole sweeps. Odd ones meet every mode of failure. */
export function everyFew(few: number): number {
  return isWhole ? 1 : few;
}

/** A count that makes sense for a whole sweep, in proportion to the part that is run. */
export function fewOf(count: number, few: number): number {
  return Math.floor(count / everyFew(few));
}
