/**
 * Damages as lines.
 *
 * @module
 */

import type { VerifiedBackup } from "../../operations/requests.ts";
import { formatQuantity } from "../../domain/units.ts";
import type { Palette } from "./palette.ts";
import { safeText } from "./safe-text.ts";

type Damage = VerifiedBackup["damages"][number];

/** Printed of a list that may be long; `--json` has all. */
const shownMax = 1000;

/** One line each, indented. */
export function damageLines(damages: readonly Damage[], palette: Palette): string[] {
  const lines = damages.slice(0, shownMax).map(({ object, path, message }) => {
    const place = path === undefined ? safeText(object) : `${safeText(object)}: ${safeText(path)}`;
    return palette.red(`  ${place}: ${safeText(message)}`);
  });
  const more = damages.length - lines.length;
  return more > 0 ? [...lines, `  and ${formatQuantity(more, "more")}; --json has all`] : lines;
}
