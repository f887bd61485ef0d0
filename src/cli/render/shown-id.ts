/**
 * Ids as tables show them.
 *
 * @module
 */

import { safeText } from "./safe-text.ts";

/** As restic shows them; the beginning of an id is taken wherever an id is, if only one begins like that. */
const shownLength = 8;

/** The beginning of an id that is a hash, which nobody can read or remember; other ids whole. */
export function shownId(id: string): string {
  return /^[0-9a-f]{64}$/.test(id) ? id.slice(0, shownLength) : safeText(id);
}
