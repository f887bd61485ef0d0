/**
 * Removal of an image in the making. Used on both sides: the capture process
 * clears up between two tries, the program after a process that died.
 *
 * @module
 */

import { rm } from "node:fs/promises";
import { sidecarSuffixes } from "../../format/sqlite/sidecar.ts";

/** Removes an image with everything SQLite may have put beside it. */
export async function removeImage(imagePath: string): Promise<void> {
  for (const suffix of ["", ...sidecarSuffixes]) await rm(`${imagePath}${suffix}`, { force: true });
}
