/**
 * Refuses a restore of what is not in the vault any more, before anything is shown or built.
 *
 * @module
 */

import { BackupError } from "../../domain/error.ts";
import type { PreparedRestore } from "./prepare.ts";

/** @throws {BackupError} `damaged` if a stored file that the restore needs is gone */
export async function requireStored(
  { reader, backup, layout, selection }: PreparedRestore,
  signal: AbortSignal,
): Promise<void> {
  const targets = layout.staged.map(({ target }) => target);
  const databases = targets.filter(({ kind }) => kind === "database").map(({ name }) => name);
  const hasFolders = databases.length < targets.length;
  const files = !hasFolders ? "none" : selection.partial ? "some" : "all";
  const [lost] = (await reader.findLost?.({ databases, files }, signal)) ?? [];
  if (lost === undefined) return;
  throw new BackupError("damaged", `Cannot restore ${backup.id}: ${lost}`, {
    hint: "Nothing was changed. Restore another backup; what this one still holds can be restored with --only, --include or --skip-damaged.",
  });
}
