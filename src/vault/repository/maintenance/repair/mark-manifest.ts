/**
 * What the manifest of a backup says after a repair: that it is not whole any more,
 * and what was lost. Pure.
 *
 * @module
 */

import type { Problem } from "../../../../domain/backup.ts";
import { type Manifest, manifestProblemsMax } from "../../../../format/restic/manifest.ts";

/** One lost path: absolute, as in the tree. */
export interface LostPath {
  readonly path: string;
  readonly message: string;
}

/**
 * A lost database makes the backup damaged, anything else incomplete. A worse state stays.
 *
 * @param lost The first of what is lost: of very much, not all has a name
 * @param database The name of a database that is not whole any more
 */
export function markManifest(
  manifest: Manifest,
  lost: readonly LostPath[],
  database: string | undefined,
): Manifest {
  const problems = lost.map(
    ({ path, message }): Problem => ({ kind: "unreadable", path, message: `lost in the vault: ${message}` }),
  );
  return {
    ...manifest,
    ...stateOf(manifest, database, lost.length),
    incomplete: true,
    problems: [...problems, ...manifest.problems].slice(0, manifestProblemsMax),
    problemCount: manifest.problemCount + problems.length,
  };
}

function stateOf(
  { state, stateReason }: Manifest,
  database: string | undefined,
  lost: number,
): Pick<Manifest, "state" | "stateReason"> {
  if (state === "damaged") return { state, stateReason };
  if (database !== undefined) {
    return { state: "damaged", stateReason: `a part of database ${database} was lost in the vault` };
  }
  if (state === "suspect") return { state, stateReason };
  const paths = lost === 0 ? "more paths than are counted" : lost === 1 ? "1 path" : `${lost} paths`;
  return { state: "incomplete", stateReason: `${paths} lost in the vault, as its repair found` };
}
