/**
 * Names of the owners of files, which formats store beside the numbers.
 *
 * @module
 */

/** Looks up names; undefined or empty where there is none. */
export interface OwnerNames {
  user(uid: number): string | undefined;
  group(gid: number): string | undefined;
}
